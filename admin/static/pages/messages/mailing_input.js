// Choosing a mailing by its text or its number.
import { list, one } from "../../api.js";
import { t } from "../../i18n.js";
import { h, RA, useState } from "../../kit/lib.js";
import { usePoll } from "../../kit/poll.js";
import { titleOf } from "../../kit/words.js";

const { AutocompleteInput, useInput } = RA;
const LATEST = 200; // enough to find one by its words; an older one is found by its number

const latest = (signal) => list("mailings", { perPage: LATEST, signal }).then(({ data }) => data);

/** The mailing of this number, or none when there is no such one. */
async function numbered(id, signal) {
  try {
    return [await one("mailings", id, signal)];
  } catch (error) {
    if (error.status === 404) return [];
    throw error;
  }
}

/** The latest mailings, and the one that is chosen or whose number is typed. */
function useMailings(wanted) {
  const { data: newest } = usePoll(latest, 0); // the engine away: the list below says so
  const isMissing =
    /^\d{1,18}$/.test(wanted) && newest !== undefined && !newest.some(({ id }) => String(id) === wanted);
  const { data: older } = usePoll((signal) => (isMissing ? numbered(wanted, signal) : []), 0, isMissing ? wanted : "");
  return [...(newest ?? []), ...(older ?? [])];
}

const label = (mailing) => t("messages.mailing_choice", { id: String(mailing.id), text: titleOf(mailing) });

/** All that a mailing may be looked for by; a text that is called by a name is one thing more. */
const said = (mailing) => `${label(mailing)}\n${mailing.text}`.toLowerCase();

/** What react-admin passes on goes to its own input. */
export function MailingInput(props) {
  const { field } = useInput({ source: props.source });
  const [typed, setTyped] = useState("");
  const chosen = String(field.value ?? "");
  const mailings = useMailings(/^\d+$/.test(typed) ? typed : chosen);
  const wanted = typed.toLowerCase();
  const choices = mailings.filter((each) => String(each.id) === chosen || said(each).includes(wanted));
  return h(AutocompleteInput, {
    ...props,
    choices,
    optionText: label,
    matchSuggestion: () => true,
    setFilter: (text) => setTyped(text ?? ""),
    translateChoice: false,
    sx: { minWidth: 260 },
  });
}
