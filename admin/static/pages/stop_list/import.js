// Putting the numbers of a file on the stop list.
import { rest, sentence } from "../../api.js";
import { number, t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Dialog, Notice, Table, Trouble } from "../../kit/parts.js";

const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const ACCEPTED = ".xlsx,.csv,.tsv,.txt,.ndjson,.jsonl,text/csv";
const SHOWN = 20;

function typeOf(name) {
  if (/\.xlsx$/i.test(name)) return WORKBOOK;
  return /\.(ndjson|jsonl)$/i.test(name) ? "application/x-ndjson" : "text/csv";
}

export function ImportDialog({ onDone, onClose }) {
  const [file, setFile] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [result, setResult] = useState(null);
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      const headers = { "Content-Type": typeOf(file.name) };
      setResult(await rest("/suppressions/import", { method: "POST", body: file, headers }));
      onDone();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const close = () => busy || onClose();
  const actions = result
    ? h(Button, { kind: "primary", onClick: close }, t("stop.close"))
    : [
        h(Button, { key: "cancel", onClick: close }, t("action.cancel")),
        h(Button, { key: "send", kind: "primary", disabled: !file, busy, onClick: send }, t("clients.import")),
      ];
  return h(
    Dialog,
    { title: t("stop.import_title"), onClose: close, wide: true, actions },
    result
      ? h(Result, { result })
      : [
          h("p", { key: "words" }, t("stop.import_words")),
          h("input", {
            key: "file",
            type: "file",
            accept: ACCEPTED,
            "aria-label": t("import.choose"),
            onChange: ({ target }) => setFile(target.files[0] ?? null),
          }),
          h(Trouble, { key: "error", error }),
        ],
  );
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
