// Clients as a file: those that the list shows.
import { download } from "../../api.js";
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Dialog, Trouble } from "../../kit/parts.js";

const FORMATS = ["excel", "csv"];
const today = () => new Date().toLocaleDateString("sv"); // 2026-11-23

export function ExportButton({ filter, total }) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);
  const save = async (format) => {
    setBusy(format);
    setError(null);
    try {
      const query = new URLSearchParams({ format, filter: JSON.stringify(filter) });
      await download(`/clients/export?${query}`, `clients-${today()}.csv`);
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
    h(Button, { disabled: !total, onClick: () => setOpen(true) }, t("clients.export")),
    open &&
      h(
        Dialog,
        {
          title: t("clients.export_title", { smart_count: total }),
          onClose: close,
          actions: h(Button, { onClick: close }, t("action.cancel")),
        },
        h(
          "p",
          { className: "muted" },
          t(Object.keys(filter).length ? "clients.export_filtered" : "clients.export_all"),
        ),
        FORMATS.map((format) =>
          h(
            "div",
            { key: format, className: "choice-row" },
            h(
              Button,
              {
                kind: format === "excel" ? "primary" : "plain",
                busy: busy === format,
                disabled: busy !== null,
                onClick: () => save(format),
              },
              t(`clients.export_${format}`),
            ),
            h("span", { className: "muted" }, t(`clients.export_${format}_words`)),
          ),
        ),
        h(Trouble, { error }),
      ),
  );
}
