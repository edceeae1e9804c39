// Choosing a client by a part of the phone number, or by the name that is among the attributes.
import { list, one, rest } from "../../api.js";
import { t } from "../../i18n.js";
import { h, RA, useState } from "../../kit/lib.js";
import { useDebounced, usePoll } from "../../kit/poll.js";
import { readable } from "../../kit/words.js";
import { searched } from "../clients/phone.js";

const { AutocompleteInput, useInput } = RA;
const SETTLE_MS = 250;
const MOST = 20;

const isName = (typed) => /\p{L}/u.test(typed);

/** The clients that are meant; none for what can be neither. */
async function meant(typed, signal) {
  if (isName(typed)) {
    const query = { "attributes.name": typed.trim(), page_size: MOST };
    return (await rest("/clients", { query, signal })).clients;
  }
  const { part } = searched(typed);
  return part ? (await list("clients", { perPage: MOST, filter: { phone_contains: part }, signal })).data : [];
}

const label = ({ phone_number: phone, attributes }) =>
  attributes?.name ? `${readable(phone)} · ${attributes.name}` : readable(phone);

/** What is said in the place of choices: what can't be understood, or that nobody is called so. */
function hintOf(typed, found) {
  if (!typed.trim()) return undefined;
  const { part, problem } = searched(typed);
  if (!isName(typed) && problem) return t(`clients.search.${problem}`);
  if (!isName(typed) && !part) return t("messages.client_what");
  return found?.length === 0 ? t("messages.client_none") : undefined;
}

/** What react-admin passes on goes to its own input. */
export function ClientInput(props) {
  const { field } = useInput({ source: props.source });
  const [typed, setTyped] = useState("");
  const settled = useDebounced(typed, SETTLE_MS);
  const chosen = String(field.value ?? "");
  const { data: picked } = usePoll((signal) => (chosen ? one("clients", chosen, signal) : null), 0, chosen);
  const known = picked && label(picked) === typed ? "" : settled; // what is shown of the chosen one is no search
  const { data: found } = usePoll((signal) => meant(known, signal), 0, known);
  const others = (found ?? []).filter((each) => String(each.id) !== chosen);
  return h(AutocompleteInput, {
    ...props,
    choices: picked ? [picked, ...others] : others,
    optionText: label,
    matchSuggestion: () => true,
    setFilter: (text) => setTyped(text ?? ""),
    translateChoice: false,
    noOptionsText: hintOf(known, found) ?? t("messages.client_what"),
    sx: { minWidth: 230 },
  });
}
