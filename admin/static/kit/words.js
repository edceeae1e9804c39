// Records in a few words.
import { number, t } from "../i18n.js";
import { h, Link } from "./lib.js";

const SHOWN = 60;

/** The beginning of a text, on one line, in `most` characters. */
export function beginning(text = "", most = SHOWN) {
  const line = text.replace(/\s+/g, " ").trim();
  const letters = [...line];
  return letters.length <= most
    ? line
    : `${letters
        .slice(0, most - 1)
        .join("")
        .trimEnd()}…`;
}

/** What a mailing is called: its name, or how its text begins, in `most` characters. */
export const titleOf = (mailing, most = SHOWN) => beginning(mailing.name || mailing.text, most);

/** "79161234567" as people write it: "+7 916 123-45-67"; what is no such number stays as it is. */
export const readable = (phone) => (phone ?? "").replace(/^7(\d{3})(\d{3})(\d{2})(\d{2})$/, "+7 $1 $2-$3-$4");

/** Why messages are not sent, those first that somebody can do something about. */
export const REASONS = ["rejected", "expired", "cancelled", "uncertain", "suppressed", "incomplete"];

/** A link to the messages that match, in the form that react-admin's lists read. */
export const MessagesLink = ({ filter, children }) =>
  h(Link, { to: `/messages?filter=${encodeURIComponent(JSON.stringify(filter))}` }, children);

/** Why messages are not sent, {reason: count}; each reason leads to its messages. `filter`: what else these must be. */
export function ReasonLinks({ reasons, filter = {} }) {
  const there = REASONS.filter((reason) => reasons[reason] > 0);
  return (
    there.length > 0 &&
    h(
      "ul",
      { className: "reason-links", "aria-label": t("mailings.reasons") },
      there.map((reason) =>
        h(
          "li",
          { key: reason },
          h(MessagesLink, { filter: { ...filter, status: "not_sent", reason } }, t(`reason.${reason}`)),
          ` ${number(reasons[reason])}`,
        ),
      ),
    )
  );
}
