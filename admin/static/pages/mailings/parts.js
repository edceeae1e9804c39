// What the pages of mailings share.

import { t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Chip, Notice, Trouble } from "../../kit/parts.js";
import { conditionWords } from "./conditions.js";
import { ThoseChip } from "./those.js";

export const tagName = (tag) => (tag === "" ? t("none.tag") : tag);

/** Why there is no newer news of a mailing; when it is deleted there is none to wait for. */
export const MailingTrouble = ({ error, reload }) =>
  error?.status === 404
    ? h(
        Notice,
        { tone: "warn", action: h(Link, { className: "button", to: "/mailings" }, t("mailings.back")) },
        t("mailings.gone"),
      )
    : h(Trouble, { error, reload });

/** Whether a filter restricts nothing. */
export const isForAll = (filter) => Object.values(filter).every((list) => list === null || list.length === 0);

/** Whom a mailing is for, in words; chips for the values. */
export function Audience({ filter }) {
  const { tags, phone_codes: codes, exclude_tags: excluded, attributes, client_ids: ids, messages } = filter;
  if (isForAll(filter)) return t("mailings.audience.everyone");
  return h(
    "span",
    { className: "row" },
    messages && h(ThoseChip, { condition: messages }),
    ids.length > 0 && h(Chip, null, t("mailings.audience.ids", { smart_count: ids.length })),
    tags.map((tag) => h(Chip, { key: `t ${tag}` }, tagName(tag))),
    tags.length > 0 && codes.length > 0 && h("span", { className: "muted" }, t("mailings.audience.and")),
    codes.map((code) => h(Chip, { key: `c ${code}` }, t("mailings.audience.code", { code }))),
    excluded.map((tag) => h(Chip, { key: `e ${tag}` }, t("mailings.audience.not", { tag: tagName(tag) }))),
    attributes.map((each, index) => h(Chip, { key: `a ${index}`, tone: "quiet long" }, conditionWords(each))),
  );
}

/** Counts below a bar: what became of the messages, or that all of them wait. */
export const Counts = ({ counts }) =>
  h(
    "span",
    { className: "m-counts" },
    (counts.pending === counts.total ? ["pending"] : ["sent", "not_sent"])
      .filter((key) => counts[key] > 0)
      .map((key) => h("span", { key, className: key }, t(`mailings.counts.${key}`, { count: counts[key] }))),
  );

/** The text as it looks on a phone. */
export const Bubble = ({ text }) => h("div", { className: "m-bubble prewrap" }, text);

/** A number with what it counts. */
export const clientsWords = (count) => t("mailings.clients", { smart_count: count });

/** How many get a text, by the engine's preview. */
export const recipientsWords = ({ recipients, recipients_estimated: about }) =>
  t(about ? "mailings.clients_about" : "mailings.clients", { smart_count: recipients });

export const segmentsWords = (count) => t("mailings.segments", { smart_count: count });

/** How many a preview says there is no time for: what it counts as missed, without those whose number no provider takes. */
export function lateOf({ forecast, warnings = [] }) {
  const unserved = warnings.find(({ code }) => code === "NUMBERS_NOT_SERVED");
  return Math.max(0, forecast.missed - Number(unserved?.arguments.count ?? 0));
}
