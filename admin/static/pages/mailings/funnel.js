// How far the texts of a mailing came: to the provider, and from there to the phones.
import { duration, latency, number, percent, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Card } from "../../kit/parts.js";
import { ShareBars } from "../../kit/plot.js";
import { MessagesLink } from "../../kit/words.js";
import { These } from "../messages/these.js";

const MINUTE_SECONDS = 60;

/** A provider that gives no receipts says nothing of this: before the first receipt there is nothing to show. */
const isKnown = ({ delivered, undelivered }) => delivered + undelivered > 0;

/** Everybody, those that the provider accepted, and of these what receipts say. Each step leads to its messages. */
export function Funnel({ mailing, stats }) {
  const { delivery, message_counts: counts } = stats;
  if (!isKnown(delivery)) return null;
  const { total, sent } = counts;
  const found = { mailing_id: mailing.id };
  const step = (key, value, of, filter, className) => ({
    key,
    value,
    label: h(MessagesLink, { filter: { ...found, ...filter } }, t(`mailings.funnel.${key}`)),
    words: of > 0 ? t("mailings.funnel.share", { count: value, share: percent(value / of) }) : number(value),
    className,
  });
  const steps = [
    step("total", total, 0, {}, "fill-busy"),
    step("sent", sent, total, { status: "sent" }, "fill-busy"),
    step("delivered", delivery.delivered, sent, { delivery: "delivered" }, "fill-sent"),
    step("undelivered", delivery.undelivered, sent, { delivery: "undelivered" }, "fill-not-sent"),
    step("none", delivery.none, sent, { delivery: "none" }, "fill-pending"),
  ];
  return h(
    Card,
    { title: t("mailings.funnel"), className: "m-funnel" },
    h(ShareBars, { rows: steps, total, label: t("mailings.funnel") }),
    h("p", { className: "muted small" }, t("mailings.funnel.shares")),
    h(Seconds, { seconds: delivery.seconds }),
    delivery.undelivered > 0 && h(Missed, { found }),
  );
}

const Missed = ({ found }) =>
  h(
    "div",
    null,
    h("p", { className: "muted small" }, t("mailings.funnel.missed")),
    h(These, { found: { ...found, delivery: "undelivered" }, about: t("delivery.undelivered") }),
  );

const long = (seconds) => (seconds < MINUTE_SECONDS ? latency(seconds) : duration(seconds));

/** How long texts were on their way. */
function Seconds({ seconds }) {
  if (!seconds || seconds.p50 === null) return null;
  const { p50, p95 } = seconds;
  return h("p", { className: "plain" }, t("mailings.funnel.seconds", { p50: long(p50), p95: long(p95) }));
}
