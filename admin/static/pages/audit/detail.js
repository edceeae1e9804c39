// What an event of the audit list notes, below its row.
import { t } from "../../i18n.js";
import { h, useRecordContext } from "../../kit/lib.js";
import { Facts } from "../../kit/parts.js";
import { rowsOf } from "./words.js";

export function AuditDetail() {
  const event = useRecordContext();
  if (!event) return null;
  const rows = rowsOf(event.detail).map((row) => ({ ...row, value: h("span", { className: "prewrap" }, row.value) }));
  return h(Facts, { rows, label: t("audit.details") });
}
