// What a list finds as a file: for Excel, or for programs.
import { download } from "../api.js";
import { t } from "../i18n.js";
import { h, useState } from "./lib.js";
import { Button, Dialog, Trouble } from "./parts.js";

const FORMATS = ["excel", "csv"];
const today = () => new Date().toLocaleDateString("sv"); // 2026-11-23

/**
 * `name`: of the file; `excel`, `csv`: {path, accept, made(response)} of each, see api.js; `title`, `words`: of the dialog;
 * `button`: more of the button that opens it.
 */
export function ExportButton({ name, excel, csv, label, title, words, button }) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);
  const save = async (format) => {
    setBusy(format);
    setError(null);
    try {
      const { path, ...how } = { excel, csv }[format];
      await download(path, `${name}-${today()}.csv`, how);
      setOpen(false);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(null);
    }
  };
  const close = () => {
    if (busy) return;
    setOpen(false);
    setError(null);
  };
  return h(
    "span",
    null,
    h(Button, { ...button, onClick: () => setOpen(true) }, label),
    open &&
      h(
        Dialog,
        { title, onClose: close, actions: h(Button, { onClick: close }, t("action.cancel")) },
        h("p", { className: "muted" }, words),
        FORMATS.map((format) => h(Choice, { key: format, format, busy, save })),
        h(Trouble, { error }),
      ),
  );
}

const Choice = ({ format, busy, save }) =>
  h(
    "div",
    { className: "choice-row" },
    h(
      Button,
      {
        kind: format === "excel" ? "primary" : "plain",
        busy: busy === format,
        disabled: busy !== null,
        onClick: () => save(format),
      },
      t(`export.${format}`),
    ),
    h("span", { className: "muted" }, t(`export.${format}_words`)),
  );
