// Small parts that the dashboard and the engine's page share.
import { clock, dateTime, number, t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Button, Notice } from "../../kit/parts.js";

const NOBODY_THERE = [0, 502, 503, 504]; // the gateway or the engine does not answer

/** Why there is nothing newer, and from when it is what is shown; `since`: that moment, if anything is shown. */
export function Away({ error, reload, since }) {
  if (!error) return null;
  const words = [since && t("dashboard.as_of", { time: clock(since, true) }), NOBODY_THERE.includes(error.status) && t("dashboard.away_do")];
  const action =
    error.status === 401
      ? h(Link, { className: "button", to: "/login" }, t("sign_in.submit"))
      : h(Button, { onClick: reload }, t("action.retry"));
  return h(Notice, { tone: "bad", title: error.message, action }, words.filter(Boolean).join(" "));
}

/** What was true a while ago is shown greyed. */
export const Stale = ({ stale, children }) => h("div", { className: `fresh ${stale ? "stale" : ""}`, "aria-busy": stale || undefined }, children);

/** Names and values, one below the other: rows [{key, label, value, hint?, bar?}]; `bar`: a share, 0 to 1. */
export const Facts = ({ rows }) =>
  rows.length > 0 &&
  h(
    "dl",
    { className: "facts" },
    rows.filter(Boolean).map(({ key, label, value, hint, bar }) =>
      h(
        "div",
        { key },
        h("dt", null, label),
        h("dd", null, value, hint && " ", hint && h("span", { className: "muted" }, hint), bar !== undefined && h(Meter, { share: bar })),
      ),
    ),
  );

const Meter = ({ share }) =>
  h("span", { className: "share-bar", "aria-hidden": true }, h("i", { className: "fill-busy", style: { width: `${100 * Math.min(1, share)}%` } }));

/** A moment: of today the clock, else with the date. */
export const moment = (iso) => (new Date(iso).toDateString() === new Date().toDateString() ? clock(iso) : dateTime(iso));

/** A speed in the fewest digits that tell it. */
export const speed = (perSecond) => number(perSecond, perSecond < 10 ? 1 : 0);

/** The engine's budget in words. */
export const limitWords = (limit) => (limit ? t("unit.per_second", { value: limit }) : t("engine.no_limit"));
