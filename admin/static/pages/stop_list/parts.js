// What shows and changes whether a number is on the stop list, on any page.
import { dataProvider, list, may } from "../../api.js";
import { known, t } from "../../i18n.js";
import { h, useNotify, useState } from "../../kit/lib.js";
import { Button, Chip, ConfirmButton, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { readable } from "../../kit/words.js";
import { AddDialog } from "./add.js";

export const REASONS = ["opt_out", "complaint", "invalid", "manual"];
export const reasonWords = (reason) => t(`stop.reason.${reason}`);
/** What put the number there; of what is not known here, its own word. */
export const sourceWords = (source) => known(`stop.source.${source}`) ?? source;

export function TakeOff({ phone, onDone, label = t("stop.take_off") }) {
  const notify = useNotify();
  const remove = async () => {
    await dataProvider.delete("suppressions", { id: phone });
    notify(t("stop.taken_off", { phone: readable(phone) }), { type: "success" });
    onDone();
  };
  return h(
    ConfirmButton,
    { label, question: t("stop.take_off_question", { phone: readable(phone) }), onConfirm: remove },
    h("p", null, t("stop.take_off_words")),
  );
}

/** At a client and at a message: whether the number is on the list, and the button that changes it. */
export function StopListed({ phone }) {
  const [adding, setAdding] = useState(false);
  const { data, error, reload } = usePoll(
    (signal) => list("suppressions", { perPage: 1, filter: { phone_contains: phone }, signal }),
    0,
    phone,
  );
  if (error) return h(Trouble, { error, reload });
  if (!data) return null;
  const [entry] = data.data;
  if (!entry)
    return (
      may("suppressions.add") && [
        h(Button, { key: "add", onClick: () => setAdding(true) }, t("stop.put")),
        adding && h(AddDialog, { key: "dialog", phone, onAdded: reload, onClose: () => setAdding(false) }),
      ]
    );
  return [
    h(Chip, { key: "listed", tone: "bad", title: entry.note }, `${t("stop.listed")}: ${reasonWords(entry.reason)}`),
    may("suppressions.delete") && h(TakeOff, { key: "off", phone, onDone: reload, label: t("stop.take_off_list") }),
  ];
}
