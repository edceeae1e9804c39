// A line of text that a list is searched by as one types, once the fingers rest.
import { Input } from "./fields.js";
import { h, useEffect, useRef, useState } from "./lib.js";
import { useDebounced } from "./poll.js";

const SETTLE_MS = 250;

/** `onSearch(text)`; `hintOf(text)`: what is said below while it is typed. The rest goes to the input. */
export function Search({ value, onSearch, hintOf = () => undefined, ...rest }) {
  const [typed, setTyped] = useState(value);
  const settled = useDebounced(typed, SETTLE_MS);
  const known = useRef(value);
  useEffect(() => {
    if (settled !== typed || settled === known.current) return;
    known.current = settled;
    onSearch(settled);
  }, [settled]);
  useEffect(() => {
    if (value === known.current) return; // the address has changed by itself: "back", or no filter any more
    known.current = value;
    setTyped(value);
  }, [value]);
  return h(Input, {
    ...rest,
    type: "search",
    autoComplete: "off",
    value: typed,
    onChange: setTyped,
    hint: hintOf(typed),
  });
}
