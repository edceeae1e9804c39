// A mailing that is like another one: to how many it would go to whom that one was sent already.
import { one } from "../../api.js";
import { t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Button, Notice } from "../../kit/parts.js";
import { useDebounced, usePoll } from "../../kit/poll.js";
import { titleOf } from "../../kit/words.js";
import { problemsOf } from "./draft.js";
import { askPreview, STAND_IN } from "./preview.js";

const SETTLE_MS = 350;
const AGAIN_MS = 10_000;
const TITLE = 40;

/** Whether a condition on the messages of the copied mailing lets those through to whom it was sent. */
const takesSent = ({ statuses, reasons }) =>
  reasons.length === 0 && (statuses.length === 0 || statuses.includes("sent"));

/** Whether a condition on messages is still the copied mailing's own: whoever it holds for has a message of that one. */
const isSame = (messages, copy) => JSON.stringify(messages) === JSON.stringify(copy.filter.messages);

/**
 * {count, isMost, others}: how many clients of the filter were sent `copy`, or at most so many; `others`: messages of it that were
 * not sent, where they can be asked for. A filter asks for the messages of one mailing: where it does for another one's, the two
 * can't be asked for at once, but the condition of the copied mailing can give way to one on its own messages.
 */
async function counted(copy, values, signal) {
  const { messages } = values.filter;
  const { sent, not_sent: others } = (await one("mailings", copy.id, signal)).message_counts;
  const ask = async (filter) => (await askPreview({ ...values, text: STAND_IN, filter }, undefined, signal)).audience;
  if (messages && messages.mailing_id !== copy.id)
    return {
      count: Math.min(sent, await ask(values.filter)),
      isMost: true,
      others: isSame(messages, copy) ? others : 0,
    };
  if (messages && !takesSent(messages)) return { count: 0, others: 0 };
  const asked = { mailing_id: copy.id, statuses: ["sent"], reasons: [], delivery: messages?.delivery ?? [] };
  return { count: await ask({ ...values.filter, messages: asked }), others };
}

/** `field`: the form's filter, where it can be changed. */
export function HaveIt({ copy, values, field }) {
  const settled = useDebounced(values, SETTLE_MS);
  const { text: _, ...problems } = problemsOf(settled);
  const isBad = Object.keys(problems).length > 0;
  const load = (signal) => (isBad ? null : counted(copy, settled, signal));
  const { data } = usePoll(load, AGAIN_MS, JSON.stringify([settled.filter, isBad])); // of an error the preview says
  if (!data) return null;
  const mailing = titleOf(copy, TITLE);
  if (data.count === 0) return h("p", { className: "muted small" }, t("mailings.have_it.none", { mailing }));
  const others = { mailing_id: copy.id, statuses: ["not_sent"], reasons: [], delivery: [] };
  return h(
    Notice,
    {
      tone: "warn",
      action:
        field &&
        data.others > 0 &&
        h(
          Button,
          { onClick: () => field.onChange({ ...values.filter, messages: others }) },
          t("mailings.have_it.others"),
        ),
    },
    t(data.isMost ? "mailings.have_it.most" : "mailings.have_it", { mailing, smart_count: data.count }),
  );
}
