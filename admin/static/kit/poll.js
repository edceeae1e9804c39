// Data that refreshes by itself, and says so when it can't.
import { useCallback, useEffect, useRef, useState } from "./lib.js";

const RETRY_MS = 3000;

/** The event at which all that refreshes by itself does so at once. */
export const REFRESH = "mailing:refresh";

/**
 * Call `load(signal)` now and every `everyMs` while the page is in sight; 0: once, and again after an error.
 * Returns {data, error, reload}: the last good data stays while `error` says why there is no newer.
 * `key`: when it changes, the old data is dropped and loading starts anew.
 */
export function usePoll(load, everyMs, key = "") {
  const [state, setState] = useState({ data: undefined, error: null, key });
  const latest = useRef(load);
  latest.current = load;
  const again = useRef(() => {});

  useEffect(() => {
    let timer;
    let ended = false;
    let control = new AbortController();
    const next = (ms) => {
      clearTimeout(timer);
      if (!ended && ms > 0) timer = setTimeout(run, ms);
    };
    async function run() {
      if (document.hidden) return; // asked again as soon as somebody looks
      control.abort();
      const mine = new AbortController();
      control = mine;
      try {
        const data = await latest.current(mine.signal);
        if (ended || mine.signal.aborted) return;
        setState({ data, error: null, key });
        next(everyMs);
      } catch (error) {
        if (ended || mine.signal.aborted) return;
        setState((old) => ({ data: old.key === key ? old.data : undefined, error, key }));
        next(Math.min(everyMs || RETRY_MS, RETRY_MS));
      }
    }
    again.current = run;
    const seen = () => !document.hidden && run();
    document.addEventListener("visibilitychange", seen);
    addEventListener(REFRESH, run);
    run();
    return () => {
      ended = true;
      clearTimeout(timer);
      control.abort();
      document.removeEventListener("visibilitychange", seen);
      removeEventListener(REFRESH, run);
    };
  }, [everyMs, key]);

  const reload = useCallback(() => again.current(), []);
  return state.key === key ? { ...state, reload } : { data: undefined, error: null, reload };
}

/** `value` once it has not changed for `ms`. */
export function useDebounced(value, ms) {
  const [settled, setSettled] = useState(value);
  const key = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [key, ms]);
  return settled;
}

/**
 * [typed, setTyped] of a field for a search that begins `ms` after the last key. `value`: what is searched for now; another
 * one, of an address that has changed by itself ("back"), takes the place of what was typed.
 */
export function useTyped(value, onSearch, ms) {
  const [typed, setTyped] = useState(value);
  const settled = useDebounced(typed, ms);
  const known = useRef(value);
  useEffect(() => {
    if (settled !== typed || settled === known.current) return;
    known.current = settled;
    onSearch(settled);
  }, [settled]);
  useEffect(() => {
    if (value === known.current) return;
    known.current = value;
    setTyped(value);
  }, [value]);
  return [typed, setTyped];
}
