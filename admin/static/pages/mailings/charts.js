// A mailing's statistics: when, why not, and to whom.

import { clock, duration, latency, money, number, t, zoneName } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Card, Segments, Stat, Table } from "../../kit/parts.js";
import { arrivals, fates, ShareBars, TimePlot } from "../../kit/plot.js";
import { MessagesLink, REASONS } from "../../kit/words.js";
import { These } from "../messages/these.js";
import { tagName } from "./parts.js";
import { timelineBars } from "./times.js";

const HOUR_SECONDS = 3600;
const ROWS_MAX = 10;
const DELETED = "(deleted)"; // the engine's name for clients that are gone

/** What became of messages, by time. */
export function Timeline({ mailing, stats }) {
  const { points, seconds } = timelineBars(stats.timeline, mailing.state === "active" ? Date.now() : undefined);
  const words = t("mailings.timeline.step", { step: duration(seconds) });
  return h(
    Card,
    { title: t("mailings.timeline"), actions: points.length > 0 && h("span", { className: "muted small" }, words) },
    points.length
      ? h(TimePlot, {
          points,
          series: fates(),
          line: arrivals(points),
          label: `${t("mailings.timeline")}, ${words}`,
          long: seconds >= HOUR_SECONDS,
          seconds: seconds < 60,
        })
      : h("p", { className: "muted" }, t("mailings.timeline.empty")),
  );
}

/** Why messages are not sent; each reason leads to its messages. */
export function Reasons({ mailing, stats }) {
  const rows = REASONS.filter((reason) => stats.reasons[reason] > 0).map((reason) => ({
    key: reason,
    label: h(MessagesLink, { filter: { mailing_id: mailing.id, status: "not_sent", reason } }, t(`reason.${reason}`)),
    value: stats.reasons[reason],
    className: "fill-not-sent",
  }));
  return h(
    Card,
    { title: t("mailings.reasons"), className: "m-reasons" },
    rows.length === 0 && h("p", { className: "muted" }, t("mailings.reasons.none")),
    rows.map((row) =>
      h(
        "div",
        { key: row.key },
        h(ShareBars, { rows: [row], total: stats.message_counts.not_sent, label: t("mailings.reasons") }),
        h("p", { className: "muted small" }, t(`mailings.reason.${row.key}`)),
        h(These, {
          found: { mailing_id: mailing.id, status: "not_sent", reason: row.key },
          about: t(`reason.${row.key}`),
        }),
      ),
    ),
  );
}

const groups = () => [
  { value: "by_tag", label: t("mailings.by.tag"), name: tagName },
  { value: "by_phone_code", label: t("mailings.by.code"), name: (code) => code },
  { value: "by_time_zone", label: t("mailings.by.zone"), name: (zone) => zoneName(zone).replaceAll("_", " ") },
];

/** Who has it: by tag, operator code and time zone. */
export function Breakdown({ stats }) {
  const [chosen, setChosen] = useState("by_tag");
  const group = groups().find((each) => each.value === chosen);
  const rows = largest(stats[chosen], group.name);
  const top = Math.max(1, ...rows.map((row) => row.total));
  return h(
    Card,
    {
      title: t("mailings.breakdown"),
      actions: h(Segments, { label: t("mailings.breakdown"), value: chosen, options: groups(), onChange: setChosen }),
    },
    rows.length === 0 && h("p", { className: "muted" }, t("mailings.breakdown.empty")),
    h(
      "dl",
      { className: "share-bars m-stacked", "aria-label": group.label },
      rows.map((row) => h(GroupRow, { key: row.key, row, top })),
    ),
    rows.length > 0 && h(Legend),
    stats.breakdown_time &&
      h("p", { className: "muted small" }, t("mailings.breakdown.as_of", { time: clock(stats.breakdown_time, true) })),
  );
}

/** The largest groups, and one for all others. */
function largest(counts, name) {
  const all = Object.entries(counts)
    .map(([key, each]) => ({
      key: `= ${key}`,
      label: key === DELETED ? t("mailings.breakdown.deleted") : name(key),
      ...each,
    }))
    .sort((one, other) => other.total - one.total);
  if (all.length <= ROWS_MAX + 1) return all;
  const others = all.slice(ROWS_MAX);
  const rest = { key: "rest", label: t("mailings.breakdown.rest", { smart_count: others.length }) };
  for (const key of ["sent", "not_sent", "pending", "total"])
    rest[key] = others.reduce((sum, each) => sum + each[key], 0);
  return [...all.slice(0, ROWS_MAX), rest];
}

const PROVIDER_COUNTS = ["pending", "sent", "delivered", "not_sent"];

/** What each provider did of it, and for how much; where there is one, the rest of the page says that. */
export function ByProvider({ stats }) {
  const rows = Object.entries(stats.by_provider).map(([name, counts]) => ({ id: name, name, ...counts }));
  if (rows.length < 2) return null;
  const some = (key) => rows.some((row) => row[key] > 0);
  const counts = PROVIDER_COUNTS.filter((key) => key === "sent" || some(key)).map((key) => ({
    key,
    label: t(key === "delivered" ? "delivery.delivered" : `status.${key}`),
    numeric: true,
    render: (row) => number(row[key]),
  }));
  const cost = { key: "cost", label: t("mailings.fact.cost"), numeric: true, render: (row) => money(row.cost) };
  return h(
    Card,
    { title: t("provider.several") },
    h(Table, {
      label: t("provider.several"),
      columns: [
        { key: "name", label: t("provider.fact.name"), whole: true },
        ...counts,
        ...(some("cost") ? [cost] : []),
      ],
      rows: rows.sort((one, other) => other.sent - one.sent || one.name.localeCompare(other.name)),
    }),
  );
}

function GroupRow({ row, top }) {
  const part = (key, className) => h("i", { className, style: { width: `${(100 * row[key]) / top}%` } });
  const words = ["sent", "not_sent", "pending"].map((key) => `${t(`status.${key}`)}: ${number(row[key])}`).join("\n");
  return h(
    "div",
    { title: `${row.label}\n${words}` },
    h("dt", null, row.label),
    h(
      "dd",
      null,
      h(
        "span",
        { className: "share-bar" },
        part("sent", "fill-sent"),
        part("not_sent", "fill-not-sent"),
        part("pending", "fill-pending"),
      ),
      h("span", { className: "share-value" }, t("progress.label", { done: row.sent, total: row.total })),
    ),
  );
}

const Legend = () =>
  h(
    "div",
    { className: "legend" },
    [
      ["sent", "fill-sent"],
      ["not_sent", "fill-not-sent"],
      ["pending", "fill-pending"],
    ].map(([key, className]) => h("span", { key }, h("i", { className }), t(`status.${key}`))),
  );

/** What the provider answered, and how fast, for the technically minded. */
export function Technical({ stats }) {
  const { attempts, latency_seconds: times } = stats;
  const rows = [
    ...Object.entries(attempts.by_http_status).map(([status, count]) => ({
      id: status,
      status: status === "0" ? "—" : status,
      meaning: meaning(Number(status)),
      count,
    })),
    ...Object.entries(attempts.by_smpp_status).map(([status, count]) => ({
      id: `smpp ${status}`,
      status: `SMPP 0x${Number(status).toString(16).toUpperCase().padStart(2, "0")}`,
      meaning: t(status === "0" ? "mailings.answer.good" : "mailings.answer.smpp"),
      count,
    })),
  ];
  return h(
    Card,
    { className: "m-technical" },
    h(
      "details",
      null,
      h("summary", null, t("mailings.technical")),
      h("p", { className: "muted small" }, t("mailings.technical.hint")),
      h(
        "div",
        { className: "stats" },
        h(Stat, {
          label: t("mailings.attempts"),
          value: number(attempts.total),
          hint: t("mailings.retried", { smart_count: attempts.retried }),
        }),
        ["p50", "p95", "p99"].map((key) =>
          h(Stat, { key, label: t(`mailings.latency.${key}`), value: latency(times[key]) }),
        ),
      ),
      h(Table, {
        caption: t("mailings.by_status"),
        columns: [
          { key: "status", label: t("mailings.answer") },
          { key: "meaning", label: t("mailings.meaning") },
          { key: "count", label: t("mailings.calls"), numeric: true },
        ],
        rows,
      }),
    ),
  );
}

/** What a status of the provider means here (docs/behaviour.md, rule 6). */
function meaning(status) {
  if (status === 0) return t("mailings.answer.none");
  if (status < 300) return t("mailings.answer.good");
  if (status === 400) return t("mailings.answer.rejected");
  if (status === 401 || status === 403) return t("mailings.answer.token");
  if (status === 429) return t("mailings.answer.slower");
  return t(status >= 500 ? "mailings.answer.fault" : "mailings.answer.other");
}
