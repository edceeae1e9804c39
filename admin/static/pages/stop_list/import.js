// Putting the numbers of a file on the stop list: chosen, shown as the server reads it, and stored.
import { rest, sentence } from "../../api.js";
import { number, t } from "../../i18n.js";
import { h, useEffect, useRef, useState } from "../../kit/lib.js";
import { Button, Dialog, Loading, Notice, Table, Trouble } from "../../kit/parts.js";
import { readable } from "../../kit/words.js";
import { EncodingChoice } from "../clients/import_encoding.js";
import { DropZone } from "../clients/import_file.js";
import { Known, Rows, roughlyStored, startWords } from "../clients/import_preview.js";
import { sampleOf, typeOf } from "../clients/import_sample.js";
import { Workbook } from "../clients/import_sheet.js";
import { REASONS, reasonWords } from "./parts.js";

const SHOWN = 20;

/** {file, charset, preview, error, isRead, choose}: a file, and how the server reads it. */
function useSample() {
  const [state, setState] = useState({});
  const control = useRef(null);
  useEffect(() => () => control.current?.abort(), []);
  const choose = async (file, charset = "") => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    setState({ file, charset, isRead: true });
    const put = (found) => mine.signal.aborted || setState({ file, charset, ...found });
    await sampleOf(file, { charset, what: "suppressions" }, mine.signal).then(
      (preview) => put({ preview }),
      (error) => put({ error }),
    );
  };
  return { ...state, choose };
}

export function ImportDialog({ onDone, onClose }) {
  const { choose, ...sample } = useSample();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [result, setResult] = useState(null);
  const stored = sample.preview ? roughlyStored(sample.preview, "numbers") : { count: 0 };
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      const headers = { "Content-Type": typeOf(sample.file, sample.charset) };
      setResult(await rest("/suppressions/import", { method: "POST", body: sample.file, headers }));
      onDone();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const close = () => busy || onClose();
  const go = { key: "send", kind: "primary", disabled: stored.count === 0, busy, onClick: send };
  const actions = result
    ? h(Button, { kind: "primary", onClick: close }, t("stop.close"))
    : [
        h(Button, { key: "cancel", onClick: close }, t("action.cancel")),
        h(Button, go, sample.preview ? startWords(stored) : t("clients.import")),
      ];
  return h(
    Dialog,
    { title: t("stop.import_title"), onClose: close, wide: true, actions },
    result ? h(Result, { result }) : h(Choice, { sample, choose, error }),
  );
}

const Choice = ({ sample, choose, error }) => [
  h(DropZone, {
    key: "file",
    title: sample.file?.name ?? t("stop.drop"),
    words: t("stop.import_words"),
    onFile: (file) => choose(file),
  }),
  sample.isRead && h(Loading, { key: "read" }),
  h(Trouble, { key: "error", error: error ?? sample.error }),
  isInDoubt(sample) &&
    h(EncodingChoice, {
      key: "encoding",
      charset: sample.charset,
      shown: Boolean(sample.preview),
      onChange: (charset) => choose(sample.file, charset),
    }),
  sample.preview && h(Preview, { key: "preview", ...sample }),
];

const isInDoubt = ({ file, charset, preview, error }) =>
  Boolean(file && (charset || preview?.is_encoding_in_doubt || (error && error.status === 400)));

function Preview({ file, charset, preview }) {
  const shown = { phone_number: t("field.phone_number"), reason: t("stop.reason"), note: t("stop.note") };
  return h(
    "div",
    { className: "import-preview stack" },
    h(Known, { file, preview, isGuess: preview.is_encoding_in_doubt && !charset }),
    h(Workbook, { preview }),
    h(Rows, { preview, shown, cell }),
  );
}

function cell(entry, key) {
  if (key === "phone_number") return readable(entry[key] ?? "");
  return key === "reason" && REASONS.includes(entry[key]) ? reasonWords(entry[key]) : (entry[key] ?? "");
}

function Result({ result }) {
  const { created, unchanged, rejected, errors } = result;
  const rows = errors.slice(0, SHOWN).map((each, at) => ({ id: at, line: number(each.line), problem: sentence(each) }));
  const columns = ["line", "problem"].map((key) => ({ key, label: t(`stop.error.${key}`) }));
  return [
    h(
      Notice,
      { key: "counts", tone: rejected ? "warn" : "good" },
      t("stop.import_done", { smart_count: created, unchanged: number(unchanged), rejected: number(rejected) }),
    ),
    rows.length > 0 && h(Table, { key: "errors", rows, columns }),
    errors.length > SHOWN &&
      h("p", { key: "more", className: "muted" }, t("stop.errors_more", { count: number(rejected) })),
  ];
}
