// Choosing a mailing by its text or its number.
import { call } from "../../api.js";
import { t } from "../../i18n.js";
import { h, RA, useEffect, useState } from "../../kit/lib.js";
import { beginning } from "./words.js";

const { AutocompleteInput, useInput } = RA;
const LATEST = 200; // enough to find one by its words; an older one is found by its number

const latest = () =>
  call("/mailings/list", { query: { pagination: { page: 1, perPage: LATEST }, sort: { field: "id", order: "DESC" }, filter: {} } }).then(({ data }) => data);
const one = (id) => call("/mailings/one", { query: { id } }).then(({ data }) => [data]);

/** The latest mailings, and the one that is chosen or whose number is typed. */
function useMailings(wanted) {
  const [found, setFound] = useState([]);
  const add = (more) => setFound((old) => [...old, ...more.filter(({ id }) => !old.some((each) => String(each.id) === String(id)))]);
  const forget = () => {}; // the engine away or no such mailing: the list below says so
  useEffect(() => void latest().then(add, forget), []);
  const isMissing = /^\d{1,18}$/.test(wanted) && found.length > 0 && !found.some(({ id }) => String(id) === wanted);
  useEffect(() => void (isMissing && one(wanted).then(add, forget)), [wanted, isMissing]);
  return found;
}

const label = (mailing) => t("messages.mailing_choice", { id: String(mailing.id), text: beginning(mailing.text) });

/** What react-admin passes on goes to its own input. */
export function MailingInput(props) {
  const { field } = useInput({ source: props.source });
  const [typed, setTyped] = useState("");
  const chosen = String(field.value ?? "");
  const mailings = useMailings(/^\d+$/.test(typed) ? typed : chosen);
  const wanted = typed.toLowerCase();
  const choices = mailings.filter((each) => String(each.id) === chosen || label(each).toLowerCase().includes(wanted));
  return h(AutocompleteInput, {
    ...props, choices, optionText: label, matchSuggestion: () => true, setFilter: (text) => setTyped(text ?? ""), translateChoice: false, sx: { minWidth: 260 },
  });
}
