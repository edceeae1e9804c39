// The import of a file: chosen, previewed as the server reads it, sent with its progress in sight, and told what became of it.
import { isAway, randomKey } from "../../api.js";
import { t } from "../../i18n.js";
import { Fragment, h, Link, useEffect, useRef, useState } from "../../kit/lib.js";
import { Button, Card, Loading, Notice, PageTitle, Trouble } from "../../kit/parts.js";
import { fieldsOf, remember, withField } from "./import_columns.js";
import { EncodingChoice } from "./import_encoding.js";
import { DropZone, Expected } from "./import_file.js";
import { mayReach } from "./import_open.js";
import { Preview } from "./import_preview.js";
import { Running, reached } from "./import_progress.js";
import { Result } from "./import_result.js";
import { checkOf, importOf, sampleOf } from "./import_sample.js";
import { MINE } from "./import_zones.js";

const CHOOSING = { step: "choose" };

/** How the file is read, but for what its columns are. */
const howOf = ({ charset, zones, sheet }) => ({ charset, zones, sheet });

export function ClientImport() {
  const [state, setState] = useState(CHOOSING);
  const control = useRef(null);
  useEffect(() => () => control.current?.abort(), []);
  useLeavingAsked(state.step === "run");

  /** `said`: what the columns are; undefined: as their names and what was chosen before tell. */
  const choose = async (file, { charset = "", said, zones = MINE, sheet = "" } = {}) => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    const how = { charset, zones, sheet };
    const show = (next) =>
      mine.signal.aborted || setState(({ silent, check, open }) => ({ file, ...how, silent, check, open, ...next }));
    if (!said) show({ step: "read", silent: false, check: undefined });
    try {
      const first = await sampleOf(file, { ...how, fields: said }, mine.signal);
      const fields = said ?? fieldsOf(first.columns);
      const isTold = said || first.columns.every(({ header, field }) => fields[header] === field);
      const preview = isTold ? first : await sampleOf(file, { ...how, fields }, mine.signal);
      const open = await mayReach(mine.signal).catch(() => []); // the look at the whole file tells, too
      show({ step: "preview", preview, fields, open });
      await check(mine, { file, ...how, fields, preview });
    } catch (error) {
      show({ step: "choose", error });
    }
  };
  /** The whole file is looked at while the first rows are: how many rows will be stored, and who is texted at once. */
  const check = async (mine, { file, preview, ...how }) => {
    const isEmpty = preview.rows.length === 0;
    const found = isEmpty
      ? null
      : await checkOf(file, how, mine.signal).catch((error) => {
          if (isAway(error) || error.name === "AbortError") return null;
          throw error;
        });
    if (!mine.signal.aborted) setState((old) => ({ ...old, check: found }));
  };
  const setField = (header, field) => {
    const fields = withField(state.fields, header, field);
    remember(header, field);
    setState({ ...state, fields, check: undefined });
    choose(state.file, { ...howOf(state), said: fields });
  };
  const put = (found) => setState((old) => (old.step === "run" ? { ...old, ...found } : old));
  const run = async () => {
    const { file, preview, fields, silent } = state;
    control.current?.abort(); // a look at the file that is still under way would put its preview over the import
    const mine = new AbortController();
    control.current = mine;
    const id = randomKey();
    const begun = { file, ...howOf(state), preview, fields, silent, id };
    setState({ step: "run", ...begun, sent: 0, stored: null, began: performance.now() });
    try {
      const result = await importOf(file, begun, { onProgress: (sent) => put({ sent }), signal: mine.signal });
      setState({ step: "done", file, result });
    } catch (error) {
      setState((old) => ({ ...old, step: error.name === "AbortError" ? "cancelled" : "failed", error }));
    }
  };
  const acts = {
    choose,
    run,
    setField,
    setZones: (zones) => {
      setState({ ...state, zones });
      choose(state.file, { ...howOf(state), zones, said: state.fields });
    },
    setSheet: (sheet) => choose(state.file, { ...howOf(state), sheet }),
    setCharset: (charset) => choose(state.file, { ...howOf(state), charset }),
    setSilent: (silent) => setState((old) => ({ ...old, silent })),
    onStored: (stored) => put({ stored }),
    again: () => setState(CHOOSING),
    cancel: () => control.current?.abort(),
  };
  return h("div", { className: "page import" }, h(PageTitle, null, t("import.title")), h(Step, { state, acts }));
}

function Step({ state, acts }) {
  switch (state.step) {
    case "read":
      return h(Card, { title: state.file.name }, h(Loading));
    case "preview":
      return h(Preview, { ...state, acts });
    case "run":
      return h(Running, { run: state, onStored: acts.onStored, cancel: acts.cancel });
    case "done":
      return h(Result, { ...state, again: acts.again });
    case "cancelled":
    case "failed":
      return h(Stopped, { run: state, acts });
    default:
      return h(Choose, { ...state, acts });
  }
}

const Choose = ({ error, file, charset, acts }) =>
  h(
    Fragment,
    null,
    error && h(Notice, { tone: "bad", title: t("import.unreadable", { name: file.name }) }, error.message),
    error &&
      isOfEncoding(error) &&
      h(Card, { title: file.name }, h(EncodingChoice, { charset, onChange: acts.setCharset })),
    h(Card, null, h(DropZone, { onFile: (next) => acts.choose(next) })),
    h(Expected),
  );

/** Whether another encoding may help. */
const isOfEncoding = (error) => (error.errors ?? []).some(({ pointer }) => pointer === "/charset");

/** Stopped half-way: what came before is stored. */
const Stopped = ({ run, acts }) =>
  h(
    Card,
    { title: t(run.step === "cancelled" ? "import.cancelled" : "import.failed", { name: run.file.name }) },
    run.step === "failed" &&
      (isAway(run.error)
        ? h(Notice, { tone: "bad" }, t("import.away"))
        : h(Trouble, { error: run.error, aside: true })),
    h("p", null, stoppedWords(run)),
    h(
      "div",
      { className: "row" },
      h(Button, { kind: "primary", onClick: acts.run }, t("import.again")),
      h(Button, { onClick: acts.again }, t("import.another")),
      h(Link, { className: "button", to: "/clients" }, t("clients.back")),
    ),
  );

/** How far it came; before the server has said so, nobody knows. */
const stoppedWords = (run) =>
  run.stored ? t("import.stopped_words", { smart_count: reached(run).rows }) : t("import.stopped_unknown");

/** Closing the tab in the middle is asked about. */
function useLeavingAsked(busy) {
  useEffect(() => {
    if (!busy) return undefined;
    const ask = (event) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [busy]);
}
