// What an event of the audit list notes, below its row.
import { t } from "../../i18n.js";
import { h, useRecordContext } from "../../kit/lib.js";
import { rowsOf } from "./words.js";

export function AuditDetail() {
  const event = useRecordContext();
  if (!event) return null;
  return h(
    "dl",
    { className: "facts", "aria-label": t("audit.details") },
    rowsOf(event.detail).map((row) => h("div", { key: row.key }, h("dt", null, row.label), h("dd", { className: "prewrap" }, row.value))),
  );
}
