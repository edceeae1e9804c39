// What the form's button will do, in words.
import { t } from "../../i18n.js";
import { recipientsWords } from "./parts.js";

/** Whether texts go out as soon as it is registered; `preview`: the engine's answer, if there is one. */
export const beginsNow = ({ start_time: start }, preview) =>
  (start === null || new Date(start) <= Date.now()) && !preview?.forecast.next_open_time;

/** In numbers as soon as they are known. */
export function submitWords(values, { preview, unasked, error }) {
  const verb = beginsNow(values, preview) ? "send" : "schedule";
  if (!preview || unasked || error) return t(`mailings.form.${verb}`);
  if (preview.recipients === 0) return t("mailings.form.nobody");
  return t(`mailings.form.${verb}_to`, { clients: recipientsWords(preview), smart_count: preview.recipients });
}
