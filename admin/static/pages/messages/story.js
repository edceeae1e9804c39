// The whole story of a message in one or two sentences: {tone, title, words}.
import { dateTime, fromNow, known, saidOfCall, t } from "../../i18n.js";

const exact = (iso) => dateTime(iso, { timeStyle: "medium" });

export function storyOf(message, mailing) {
  if (message.status === "sent") return sent(message);
  const story = message.status === "not_sent" ? notSent(message, mailing) : pending(message, mailing);
  return message.delivery ? { ...story, words: `${story.words} ${receiptWords(message.delivery)}` } : story;
}

/** That a text arrived is said by its receipt alone: a provider's yes is no delivery. */
function sent({ sent_time: time, attempts, delivery }) {
  const accepted = t(attempts === 1 ? "messages.story.sent_first" : "messages.story.sent_words", {
    time: exact(time),
    smart_count: attempts,
  });
  if (!delivery) return { tone: "good", title: t("messages.story.sent"), words: accepted };
  return {
    tone: delivery.status === "delivered" ? "good" : "bad",
    title: t(`messages.story.${delivery.status}`),
    words: `${accepted} ${receiptWords(delivery)}`,
  };
}

const receiptWords = ({ status, time }) => t(`messages.story.${status}_words`, { time: exact(time) });

function notSent({ reason, attempts, last_error: error }, mailing) {
  if (reason === "incomplete" && error)
    return { tone: "bad", title: t("messages.story.not_sent", { reason: saidOfCall(error.detail) }), words: "" };
  const title = t("messages.story.not_sent", { reason: known(`reason.${reason}`) ?? reason });
  return {
    tone: "bad",
    title,
    words:
      reason === "expired" ? expired(attempts, dateTime(mailing.end_time)) : t(`messages.story.${reason}`, { _: "" }),
  };
}

const expired = (attempts, end) =>
  attempts === 0
    ? t("messages.story.expired_untried", { end })
    : t("messages.story.expired", { end, smart_count: attempts });

function pending({ attempts, next_attempt_time: next }, mailing) {
  const title = t(attempts === 0 ? "messages.story.waiting" : "messages.story.trying");
  if (mailing.state === "paused") return { tone: "warn", title, words: t("messages.story.paused") };
  if (mailing.state === "scheduled") return { tone: "info", title, words: begins(mailing.start_time) };
  return attempts === 0 ? { tone: "info", title, words: first(next) } : { tone: "warn", title, words: again(next) };
}

const isAhead = (iso) => iso !== null && new Date(iso) > new Date();
const begins = (start) => t("messages.story.scheduled", { start: dateTime(start), from_now: fromNow(start) });
const first = (next) =>
  isAhead(next)
    ? t("messages.story.not_before", { time: exact(next), from_now: fromNow(next) })
    : t("messages.story.soon");
const again = (next) =>
  isAhead(next)
    ? t("messages.story.again", { time: exact(next), from_now: fromNow(next) })
    : t("messages.story.again_soon");
