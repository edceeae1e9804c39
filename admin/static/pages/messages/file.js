// Messages as a table that people open in Excel: what REST exports, in the words of the panel.
import { known, saidOfCall, t } from "../../i18n.js";
import { numberCell, tableOf, timeCell, timeLabel } from "../../kit/sheet.js";

const WORDS = { status: "status", reason: "reason", delivery: "delivery" };
const TIMES = ["create_time", "sent_time", "final_time", "next_attempt_time", "delivery_time"];
const SENTENCES = ["detail", "delivery_detail"];
const COLUMNS = [
  "phone_number",
  "status",
  "reason",
  "detail",
  "delivery",
  "delivery_time",
  "sent_time",
  "final_time",
  "next_attempt_time",
  "create_time",
  "attempts",
  "http_status",
  "delivery_code",
  "delivery_detail",
  "cost",
  "provider",
  "provider_message_id",
  "text_version",
  "mailing_id",
  "client_id",
  "id",
];

function cellOf(key, value) {
  if (value === null) return "";
  if (key in WORDS) return known(`${WORDS[key]}.${value}`) ?? value;
  if (TIMES.includes(key)) return timeCell(value);
  if (SENTENCES.includes(key)) return saidOfCall(value);
  return typeof value === "number" ? numberCell(value) : value;
}

const labelOf = (key) => {
  const label = key === "final_time" ? t("messages.file.final") : t(`resources.messages.fields.${key}`);
  return TIMES.includes(key) ? timeLabel(label) : label;
};

const columns = () => COLUMNS.map((key) => ({ label: labelOf(key), cell: (entry) => cellOf(key, entry[key]) }));

/** Both files of the messages that a filter finds, see kit/export.js. */
export const filesOf = (filter) => ({
  excel: {
    path: `/api/v1/messages/export?${new URLSearchParams(filter)}`,
    accept: "application/x-ndjson",
    made: (response) => tableOf(response, columns()),
  },
  csv: { path: `/messages/export?${new URLSearchParams({ format: "csv", filter: JSON.stringify(filter) })}` },
});
