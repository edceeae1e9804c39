// What time it is where the clients are, when a mailing is to begin.
import { clock, t, timeZone } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";

/** Hours at which a text wakes nobody; a new mailing has them unless it is urgent. */
export const DAYTIME = { from: "09:00", to: "21:00" };
const SHOWN = 4;

/** The clock in a time zone, "02:14", or null: the browser does not know the zone. */
function clockIn(zone, at) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(at);
  } catch {
    return null;
  }
}

const isIn = ({ from, to }, clock) => (from < to ? from <= clock && clock < to : clock >= from || clock < to);

/** [[clock, clients]], the most clients first: those for whom the hours are not open then, or it is night. */
function asleep(byZone, hours, at) {
  const found = new Map();
  for (const [zone, clients] of Object.entries(byZone)) {
    const clock = clockIn(zone, at);
    if (clock && !isIn(hours ?? DAYTIME, clock)) found.set(clock, (found.get(clock) ?? 0) + clients);
  }
  return [...found].sort(([, one], [, other]) => other - one);
}

const sumOf = (rows) => rows.reduce((sum, [, clients]) => sum + clients, 0);

/** Whether somebody has to wait for the hours of a mailing that begins now. */
export const someWait = ({ local_hours: hours }, preview) =>
  Boolean(hours) && asleep(preview.by_time_zone ?? {}, hours, new Date()).length > 0;

/** Says so, where it is night for somebody. `preview`: the engine's answer about these values. */
export function Night({ values, preview }) {
  const { start_time: start, local_hours: hours } = values;
  const later = start !== null && new Date(start) > new Date();
  const rows = asleep(preview.by_time_zone ?? {}, hours, later ? new Date(start) : new Date());
  if (rows.length === 0) return null;
  const others = sumOf(rows.slice(SHOWN));
  const lines = [
    ...rows.slice(0, SHOWN).map(([time, clients]) => t("mailings.night.time", { time, smart_count: clients })),
    others > 0 && t("mailings.night.more", { smart_count: others }),
    t(hours ? "mailings.night.waits" : "mailings.night.wakes"),
  ];
  const title = `mailings.night.${hours ? "closed_" : ""}${later ? "start" : "now"}`;
  return h(
    Notice,
    { tone: hours ? "info" : "warn", title: t(title, { smart_count: sumOf(rows) }) },
    lines.filter(Boolean).join("\n"),
  );
}

/** A clock of Greenwich, "09:00", as it is where the person is. */
const here = (time) => clock(`${new Date().toISOString().slice(0, 10)}T${time}:00Z`);

/** Says what the hours are here for those in UTC: most of them have that zone because nobody has said theirs. */
export function Greenwich({ values, preview }) {
  const { local_hours: hours } = values;
  const count = preview.by_time_zone?.UTC ?? 0;
  if (!hours || count === 0 || here(hours.from) === clock(`2000-01-01T${hours.from}:00`)) return null;
  const words = { ...hours, zone: timeZone(), here_from: here(hours.from), here_to: here(hours.to) };
  return h(
    Notice,
    { tone: "warn", title: t("mailings.utc.title", { smart_count: count }) },
    `${t("mailings.utc.words", words)} `,
    h(Link, { to: "/clients?zone=UTC", target: "_blank" }, t("mailings.utc.show")),
  );
}
