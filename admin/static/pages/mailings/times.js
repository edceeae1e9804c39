// Times in the person's own zone: what inputs hold, what quick choices mean, and the steps of a timeline.
import { clock, moment, t } from "../../i18n.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** An instant as an input of the type datetime-local holds it; what is no instant stays empty. */
export function toLocal(iso) {
  const time = new Date(iso ?? "");
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time - time.getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

/** The instant that such an input means, or "". */
export function fromLocal(text) {
  const time = new Date(text);
  return text === "" || Number.isNaN(time.getTime()) ? "" : time.toISOString();
}

export const after = (iso, ms) => new Date(new Date(iso ?? Date.now()).getTime() + ms).toISOString();

/** How long it is open, in round numbers: the minutes that somebody took to fill in a form don't count. */
export function lasting(start, end) {
  const ms = new Date(end) - new Date(start ?? Date.now());
  const unit = ms >= 2 * HOUR ? 15 * MINUTE : MINUTE;
  return Math.max(unit, Math.round(ms / unit) * unit);
}

/** The next such hour of the day, `days` days from today at least. */
function atHour(hour, days, from = new Date()) {
  const time = new Date(from);
  time.setDate(time.getDate() + days);
  time.setHours(hour, 0, 0, 0);
  return time.toISOString();
}

function nextMonday() {
  const today = new Date().getDay();
  return atHour(10, (8 - today) % 7 || 7);
}

/** Starts that people choose often: [{key, label, value()}]. */
export const starts = () => [
  { key: "hour", label: t("mailings.pick.in_hours", { hours: 1 }), value: () => after(null, HOUR) },
  { key: "tomorrow", label: t("mailings.pick.tomorrow", { time: "10:00" }), value: () => atHour(10, 1) },
  { key: "monday", label: t("mailings.pick.monday", { time: "10:00" }), value: nextMonday },
];

/** Ends, seen from the start. */
export const ends = () => [
  { key: "2h", label: t("mailings.pick.plus_hours", { hours: 2 }), value: (start) => after(start, 2 * HOUR) },
  {
    key: "evening",
    label: t("mailings.pick.same_day", { time: "21:00" }),
    value: (start) => atHour(21, 0, start ? new Date(start) : new Date()),
  },
  { key: "1d", label: t("mailings.pick.plus_days", { smart_count: 1 }), value: (start) => after(start, DAY) },
  { key: "7d", label: t("mailings.pick.plus_days", { smart_count: 7 }), value: (start) => after(start, 7 * DAY) },
];

const dayOf = (iso) => new Date(iso).toDateString();

/** From when to when, as two words that a line may break between. */
export const windowParts = (start, end) => [
  `${moment(start)} –`,
  dayOf(start) === dayOf(end) ? clock(end) : moment(end),
];

export const windowWords = (start, end) => windowParts(start, end).join(" ");

// -- timeline ---------------------------------------------------------------------------------------

const STEPS = [10, 30, 60, 300, 900, 3600, 21_600, 86_400];
const BARS_MAX = 60;
const BARS_MIN = 15; // fewer would look like blocks

/**
 * The engine's steps of ten seconds, in which those without an event are left out, as at most about sixty bars without
 * gaps; `until`: the end of the last one. Returns {points, seconds}: `seconds` is what a bar stands for.
 */
export function timelineBars(timeline, until) {
  if (!timeline.length) return { points: [], seconds: STEPS[0] };
  const first = new Date(timeline[0].time) / 1000;
  const last = Math.max(new Date(timeline.at(-1).time) / 1000, new Date(until) / 1000 || 0);
  const seconds = STEPS.find((step) => (last - first) / step <= BARS_MAX) ?? STEPS.at(-1);
  const end = Math.floor(last / seconds) * seconds;
  const begin = Math.max(
    end - 10 * BARS_MAX * seconds,
    Math.min(Math.floor(first / seconds) * seconds, end - (BARS_MIN - 1) * seconds),
  );
  const count = (end - begin) / seconds + 1;
  const points = Array.from({ length: count }, (_, index) => ({
    time: new Date((begin + index * seconds) * 1000).toISOString(),
    sent: 0,
    not_sent: 0,
    deferred: 0,
    delivered: 0,
  }));
  for (const step of timeline) {
    const point = points[Math.floor((new Date(step.time) / 1000 - begin) / seconds)];
    if (point) for (const key of ["sent", "not_sent", "deferred", "delivered"]) point[key] += step[key];
  }
  return { points, seconds };
}
