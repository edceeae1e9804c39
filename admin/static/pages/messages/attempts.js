// A message's calls to the provider, as a timeline.
import { dateTime, latency, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Chip } from "../../kit/parts.js";
import { causeOf, quoteOf } from "./words.js";

const SHOWN = 10;
const NONE = { pending: "messages.no_attempts" };
const TONES = { sent: "good", rejected: "bad", deferred: "warn", lost: "bad" };

/** How long a call took, in seconds; null: its beginning is not known. */
const secondsOf = ({ start_time: start, end_time: end }) =>
  start && end ? Math.max(0, (new Date(end) - new Date(start)) / 1000) : null;

function Attempt({ attempt, way }) {
  const seconds = secondsOf(attempt);
  const quote = quoteOf(attempt);
  return h(
    "li",
    { className: TONES[attempt.outcome] ?? "quiet" },
    h(
      "div",
      { className: "row" },
      h("strong", null, titleOf(attempt, way)),
      h(Chip, { tone: TONES[attempt.outcome] }, t(`messages.outcome.${attempt.outcome}`)),
      attempt.http_status !== null &&
        h("span", { className: "muted small" }, t("messages.http", { status: String(attempt.http_status) })),
    ),
    h(
      "div",
      { className: "muted small" },
      dateTime(attempt.start_time ?? attempt.end_time, { timeStyle: "medium" }),
      seconds !== null && ` · ${t("messages.took", { time: latency(seconds) })}`,
    ),
    attempt.outcome !== "sent" && h("p", null, whatHappened(attempt)),
    way.isSeveral && h(Onward, { attempt, next: way.after[attempt.number] }),
    quote &&
      h(
        "blockquote",
        { className: "prewrap" },
        h("span", { className: "muted small" }, t("messages.provider_words")),
        quote,
      ),
  );
}

/** Of one that was lost there is a cause to tell, unless the engine itself stopped. */
function whatHappened(attempt) {
  if (attempt.outcome !== "lost") return causeOf(attempt);
  return attempt.start_time === null ? t("messages.lost") : `${ended(causeOf(attempt))} ${t("messages.lost")}`;
}

/** With a full stop, so that another sentence may follow. */
const ended = (words) => (/[.!?…]$/.test(words) ? words : `${words}.`);

const titleOf = ({ number, provider }, { isSeveral }) =>
  t(isSeveral ? "messages.attempt_at" : "messages.attempt", { number, provider });

/** Why it went on to another provider, or why it may not. */
function Onward({ attempt: { outcome, provider }, next }) {
  if (!next) return null;
  if (outcome === "lost") return h("p", null, t("messages.bound", { provider }));
  return next !== provider && h("p", null, t("messages.went_on", { provider, next }));
}

/**
 * {isSeveral, after}: `after` has, by a try's number, the provider that had the message after it, or has it next; none after
 * the last try of one that is final.
 */
function wayOf({ attempt_history: attempts, provider, status }, isOneOfSeveral) {
  const after = {};
  attempts.forEach(({ number }, index) => {
    after[number] = attempts[index + 1]?.provider ?? (status === "pending" ? provider : null);
  });
  return { isSeveral: isOneOfSeveral || new Set(attempts.map((each) => each.provider)).size > 1, after };
}

const Timeline = ({ attempts, way }) =>
  h(
    "ol",
    { className: "attempts" },
    attempts.map((attempt) => h(Attempt, { key: attempt.number, attempt, way })),
  );

/** The newest first, as the question is mostly what happened last. `isOneOfSeveral`: there are several providers now. */
export function Attempts({ message, isOneOfSeveral }) {
  const { attempt_history: attempts } = message;
  const way = wayOf(message, isOneOfSeveral);
  if (attempts.length === 0) return h("p", { className: "muted" }, t(NONE[message.status] ?? "messages.never_tried"));
  const newest = [...attempts].reverse();
  const older = newest.slice(SHOWN);
  return [
    h(Timeline, { key: "newest", attempts: newest.slice(0, SHOWN), way }),
    older.length > 0 &&
      h(
        "details",
        { key: "older", className: "older" },
        h("summary", null, t("messages.older", { smart_count: older.length })),
        h(Timeline, { attempts: older, way }),
      ),
  ];
}
