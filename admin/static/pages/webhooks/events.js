// What a webhook can be told, in words.
import { known, t } from "../../i18n.js";

const KINDS = {
  mailing: ["started", "finished", "ended", "at_risk"],
  provider: ["down", "up"],
  client: ["opted_out"],
  messages: ["sent", "not_sent", "delivered", "undelivered"],
};
export const EVENTS = Object.entries(KINDS).flatMap(([of, kinds]) => kinds.map((kind) => `${of}.${kind}`));

/** One of a newer engine is called as that calls it. */
export const eventWords = (type) =>
  type === "webhook.test" ? t("webhooks.a_test") : (known(`webhooks.on.${type}`) ?? type);
