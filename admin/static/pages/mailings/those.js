// Clients by what became of their message of another mailing: in words, in the form, and as the beginning of a new mailing.
import { one } from "../../api.js";
import { t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Button, Chip } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { titleOf } from "../../kit/words.js";

const TITLE = 40;

/** What a mailing is called; one that is deleted, or not yet read, by its number. */
function useTitle(id) {
  const { data } = usePoll(
    async (signal) => {
      try {
        return titleOf(await one("mailings", id, signal), TITLE);
      } catch (error) {
        if (error.status === 404) return null;
        throw error;
      }
    },
    0,
    String(id),
  );
  return data ?? t("mailings.number", { id: String(id) });
}

const lower = (words) => words.charAt(0).toLowerCase() + words.slice(1);
const either = (each) => each.join(` ${t("mailings.those.or")} `);

/** "those whose message of “January sale” was not sent: the end came first". */
export function thoseWords({ statuses, reasons, delivery }, mailing) {
  if (delivery.length > 0)
    return t("mailings.those", { mailing, fate: either(delivery.map((each) => t(`mailings.those.${each}`))) });
  if (reasons.length > 0) {
    const why = either(reasons.map((reason) => lower(t(`reason.${reason}`))));
    return t("mailings.those.why", { mailing, why });
  }
  if (statuses.length === 0) return t("mailings.those.any", { mailing });
  return t("mailings.those", { mailing, fate: either(statuses.map((status) => t(`mailings.those.${status}`))) });
}

/** `condition`: `filter.messages`. */
export const Those = ({ condition }) => thoseWords(condition, useTitle(condition.mailing_id));

/** The same among the chips of a filter. */
export const ThoseChip = ({ condition }) => h(Chip, { tone: "quiet long" }, h(Those, { condition }));

/** In the form: said in words, and taken away by a button. It is made where messages are shown. */
export function ThoseField({ field }) {
  const { messages } = field.value;
  if (!messages) return null;
  return h(
    "div",
    { className: "field", role: "group", "aria-label": t("mailings.those.label") },
    h("span", { className: "field-label" }, t("mailings.those.label")),
    h(
      "div",
      { className: "m-those" },
      h("strong", null, h(Those, { condition: messages })),
      h(Button, { onClick: () => field.onChange({ ...field.value, messages: null }) }, t("action.clear")),
    ),
    h("p", { className: "field-words" }, t("mailings.those.hint")),
  );
}

/** The filter of a mailing for the clients of the messages that a list's filter finds; `found.mailing_id` is set. */
export const filterFor = ({ mailing_id: mailing, client_id: client, status, reason, delivery }) => ({
  messages: {
    mailing_id: Number(mailing),
    statuses: status ? [status] : [],
    reasons: reason ? [reason] : [],
    delivery: delivery ? [delivery] : [],
  },
  ...(client && { client_ids: [Number(client)] }),
});

/** Leads to the form, with the condition set; `about`: what they are called, where there are several. */
export const NewForThese = ({ found, about }) =>
  h(
    Link,
    {
      className: about ? "button small" : "button",
      "aria-label": about && `${t("mailings.those.new")}: ${about}`,
      to: "/mailings/create",
      state: { filter: filterFor(found) },
    },
    t("mailings.those.new"),
  );
