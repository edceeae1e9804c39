// Which of the providers take calls, as the engine sees it.
import { isAdmin } from "../api.js";
import { t } from "../i18n.js";

const RETIRED = "retired = true"; // as the providers' file has it

/** Whether its breaker lets calls through. */
export const takesCalls = ({ breaker }) => breaker.state === "closed";

/** The names of those that take calls, but for one. */
export const othersThatWork = ({ providers }, name) =>
  providers.filter((each) => each.name !== name && !each.retired && takesCalls(each)).map((each) => each.name);

/** Those that may send a mailing: `provider` and `sender` of it choose; a brief of the dashboard has neither. */
const choiceOf = ({ providers }, { provider, sender }) =>
  providers.filter(
    (each) => !each.retired && (!provider || each.name === provider) && (!sender || each.senders.includes(sender)),
  );

/**
 * Why nothing can be sent: "token" when all providers refuse our token, "provider" when none works; null: one does, and has
 * taken over. `mailing`: only those count that may send it.
 */
export function outage(engine, mailing = {}) {
  const able = choiceOf(engine, mailing);
  if (able.some(takesCalls)) return null;
  return able.length > 0 && able.every((each) => each.breaker.state === "blocked") ? "token" : "provider";
}

/** What it means that so many messages wait for a provider that is in the file no more, and the ways out. */
export const missingWords = (messages) =>
  t(isAdmin() ? "provider.missing_do" : "provider.missing_tell", { smart_count: messages, line: RETIRED });
