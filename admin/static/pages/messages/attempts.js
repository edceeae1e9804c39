// A message's calls to the provider, as a timeline.
import { dateTime, latency, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Chip } from "../../kit/parts.js";
import { causeOf, quoteOf } from "./words.js";

const SHOWN = 10;
const TONES = { sent: "good", rejected: "bad", deferred: "warn", lost: "bad" };

/** How long a call took, in seconds; null: its beginning is not known. */
const secondsOf = ({ start_time: start, end_time: end }) =>
  start && end ? Math.max(0, (new Date(end) - new Date(start)) / 1000) : null;

function Attempt({ attempt }) {
  const seconds = secondsOf(attempt);
  const quote = quoteOf(attempt);
  return h(
    "li",
    { className: TONES[attempt.outcome] ?? "quiet" },
    h(
      "div",
      { className: "row" },
      h("strong", null, t("messages.attempt", { number: attempt.number })),
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
  return attempt.start_time === null ? t("messages.lost") : `${causeOf(attempt)} ${t("messages.lost")}`;
}

const Timeline = ({ attempts }) =>
  h(
    "ol",
    { className: "attempts" },
    attempts.map((attempt) => h(Attempt, { key: attempt.number, attempt })),
  );

/** The newest first, as the question is mostly what happened last. */
export function Attempts({ attempts }) {
  if (attempts.length === 0) return h("p", { className: "muted" }, t("messages.no_attempts"));
  const newest = [...attempts].reverse();
  const older = newest.slice(SHOWN);
  return [
    h(Timeline, { key: "newest", attempts: newest.slice(0, SHOWN) }),
    older.length > 0 &&
      h(
        "details",
        { key: "older", className: "older" },
        h("summary", null, t("messages.older", { smart_count: older.length })),
        h(Timeline, { attempts: older }),
      ),
  ];
}
