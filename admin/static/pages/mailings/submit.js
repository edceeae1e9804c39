// What the form's button will do, in words.
import { t } from "../../i18n.js";
import { someWait } from "./night.js";
import { recipientsWords } from "./parts.js";

/** Whether texts go out as soon as it is registered; `preview`: the engine's answer, if there is one. */
const beginsNow = ({ start_time: start }, preview) =>
  (start === null || new Date(start) <= Date.now()) && !preview?.forecast.next_open_time;

/** send: all of it now; send_in_hours: to some now, to others when their hours begin; schedule: to nobody yet. */
export function verbOf(values, preview) {
  if (!beginsNow(values, preview)) return "schedule";
  return preview && someWait(values, preview) ? "send_in_hours" : "send";
}

/** In numbers as soon as they are known. */
export function submitWords(values, { preview, unasked, error }) {
  const verb = verbOf(values, preview);
  if (!preview || unasked || error) return t(`mailings.form.${verb}`);
  if (preview.recipients === 0) return t("mailings.form.nobody");
  return t(`mailings.form.${verb}_to`, { clients: recipientsWords(preview), smart_count: preview.recipients });
}
