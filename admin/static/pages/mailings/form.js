// Registering a mailing, and changing one: the form, and beside it what will come of it.
import { call, randomKey, rest } from "../../api.js";
import { locale, t } from "../../i18n.js";
import {
  h,
  RA,
  useEffect,
  useLocation,
  useMemo,
  useNavigate,
  useNotify,
  useParams,
  useRef,
  useState,
} from "../../kit/lib.js";
import { Button, Card, Loading, Notice, PageTitle, Trouble } from "../../kit/parts.js";
import { Pickers } from "../../kit/picker.js";
import { usePoll } from "../../kit/poll.js";
import { useFacets } from "../clients/facets.js";
import { Conditions } from "./conditions.js";
import { Confirm } from "./confirm.js";
import { blank, bodyOf, copyOf, FIELDS, overtaken, problemsOf, refusal, valuesOf } from "./draft.js";
import {
  BudgetField,
  EndField,
  HoursField,
  LaterField,
  NameField,
  RateField,
  StartField,
  TextField,
  UncertainField,
} from "./fields.js";
import { HaveIt } from "./have_it.js";
import { MailingTrouble, tagName } from "./parts.js";
import { isPersonal } from "./placeholders.js";
import { askPreview, Preview, usePreview } from "./preview.js";
import { SentBy } from "./sent_by.js";
import { isOpen } from "./standing.js";
import { submitWords } from "./submit.js";
import { ThoseField } from "./those.js";
import { TryButton } from "./try.js";

const { SimpleForm, useInput } = RA;
const asIs = (value) => value;
/** What the form is told when nothing is to be sent yet: no error to be shown, and yet not saved. */
const NOT_YET = { root: { server: "" } };
const CODE = /^[0-9]{1,16}$/;

/** A new mailing; with `state.copy` of the location, like that one; with `state.filter`, for those. */
export function MailingCreate() {
  const { copy, filter } = useLocation().state ?? {};
  const values = useMemo(() => (copy ? copyOf(copy) : blank(filter)), [copy, filter]);
  const notify = useNotify();
  const navigate = useNavigate();
  const lastTry = useRef({});
  const save = async (given) => {
    // An answer that got lost must not make a second mailing of the next click: the engine knows the key.
    const values = JSON.stringify(given);
    if (lastTry.current.values !== values) lastTry.current = { values, body: bodyOf(given), key: randomKey() };
    const { body, key } = lastTry.current;
    const { id } = await rest("/mailings", { method: "POST", body, headers: { "Idempotency-Key": key } });
    notify(t("mailings.created", { id: String(id) }), { type: "success" });
    navigate(`/mailings/${id}/show`);
  };
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t(copy ? "mailings.form.copy" : "mailings.new")),
    h(Form, {
      key: copy?.id ?? JSON.stringify(filter),
      values,
      save,
      isNew: true,
      copy,
      onClose: () => navigate(copy ? `/mailings/${copy.id}/show` : "/mailings"),
    }),
  );
}

export function MailingEdit() {
  const { id } = useParams();
  const { data, error, reload } = usePoll((signal) => rest(`/mailings/${id}`, { signal }), 0, id);
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("mailings.form.edit", { id })),
    h(MailingTrouble, { error, reload }),
    data && !isOpen(data) && h(Notice, { tone: "warn" }, t("mailings.closed_form")),
    data ? h(Editing, { key: id, found: data }) : !error && h(Loading),
  );
}

/** What is changed is told from the mailing as the person has found it, whatever has become of it meanwhile. */
function Editing({ found }) {
  const [mailing] = useState(found);
  const known = useRef(bodyOf(valuesOf(found))); // what the person has seen of it
  const notify = useNotify();
  const navigate = useNavigate();
  const show = () => navigate(`/mailings/${mailing.id}/show`);
  const save = async (given) => {
    const now = bodyOf(valuesOf(await rest(`/mailings/${mailing.id}`)));
    const error = overtaken(known.current, bodyOf(given), now);
    if (error) {
      known.current = now;
      throw error;
    }
    await call("/mailings/update", {
      method: "PUT",
      body: { id: mailing.id, data: bodyOf(given), previousData: mailing },
    });
    notify(t("mailings.saved", { id: String(mailing.id) }), { type: "success" });
    show();
  };
  return h(Form, { values: valuesOf(mailing), mailing, save, onClose: show });
}

/** react-admin's form keeps the values, and warns who leaves without saving; what is drawn is ours. */
function Form({ values, save, ...rest }) {
  const { isNew, mailing, copy } = rest;
  const [record] = useState(() => keptValues() ?? values);
  const [asking, setAsking] = useState(null); // {given, preview, answer(yes)}
  const confirmed = async (given) => {
    if (!isNew && JSON.stringify(given.filter) === JSON.stringify(values.filter)) return true;
    const preview = await askPreview(given, mailing?.id);
    return new Promise((answer) => setAsking({ given, preview, answer })).finally(() => setAsking(null));
  };
  const submit = async (given) => {
    const problems = problemsOf(given);
    if (Object.keys(problems).length) return { ...problems, root: { server: t("mailings.form.bad") } };
    try {
      if (!(await confirmed(given))) return NOT_YET;
      await save(given);
      return undefined;
    } catch (error) {
      const { fields, whole } = refusal(error);
      return { ...fields, root: { server: whole } };
    }
  };
  return h(
    SimpleForm,
    {
      record,
      onSubmit: submit,
      toolbar: false,
      component: "div",
      alignItems: "stretch",
      warnWhenUnsavedChanges: true,
      disableInvalidFormNotification: true,
    },
    h(Parts, rest),
    asking && h(Confirm, { values: asking.given, preview: asking.preview, copy, isNew, onAnswer: asking.answer }),
  );
}

const kept = { values: null, language: "", at: 0 };
const KEPT_MS = 5000;

/** Another language draws the page anew: the form begins with what was written. */
const keptValues = () => (kept.language !== locale() && Date.now() - kept.at < KEPT_MS ? kept.values : null);

/** Keep what is written for the case that the page is drawn anew. */
function useKept(values) {
  const latest = useRef(values);
  latest.current = values;
  useEffect(() => {
    const language = locale();
    return () => void Object.assign(kept, { values: latest.current, language, at: Date.now() });
  }, []);
}

/** The form's values, where each field's are, and its errors: what can be told at once, and the engine's. */
function useFields() {
  // FIELDS never changes, so that the hooks are called in the same order each time.
  const inputs = FIELDS.map((source) => useInput({ source, format: asIs, parse: asIs }));
  const { formState } = inputs[0];
  const fields = Object.fromEntries(FIELDS.map((source, index) => [source, inputs[index].field]));
  const values = Object.fromEntries(FIELDS.map((source) => [source, fields[source].value]));
  const told = problemsOf(values);
  const errorOf = (source) => {
    const { isDirty } = inputs[FIELDS.indexOf(source)].fieldState;
    // A condition that was just added is not wrong yet.
    const atOnce = (isDirty && source !== "filter") || formState.isSubmitted ? told[source] : undefined;
    return atOnce ?? formState.errors[source]?.message;
  };
  return { fields, values, errorOf, formState };
}

function Parts({ mailing, copy, isNew = false, onClose }) {
  const { fields, values, errorOf, formState } = useFields();
  useKept(values);
  const result = usePreview(values, mailing?.id);
  const root = useRef(null);
  useEffect(() => {
    if (formState.submitCount > 0) root.current.querySelector('[aria-invalid="true"]')?.focus();
  }, [formState.submitCount]);
  const sent = mailing?.message_counts.sent ?? 0;
  const refused = result.error && refusal(result.error).fields;
  const at = (source) => ({ field: fields[source], error: errorOf(source) ?? refused?.[source] });
  return h(
    "div",
    { className: "mailing-form", ref: root, onKeyDown: noAccident },
    h(
      "div",
      { className: "page m-form-parts" },
      h(
        Card,
        { title: t("mailings.form.what") },
        h(TextField, { ...at("text"), counted: result.counted }),
        h(NameField, at("name")),
      ),
      h(
        Card,
        { title: t("mailings.form.whom") },
        h(ThoseField, at("filter")),
        h(FilterField, at("filter")),
        h(LaterField, at("audience")),
      ),
      h(
        Card,
        { title: t("mailings.form.when") },
        h(StartField, { ...at("start_time"), end: fields.end_time, label: t("mailings.form.start") }),
        h(EndField, { ...at("end_time"), start: values.start_time }),
        h(HoursField, at("local_hours")),
      ),
      h(
        Card,
        { title: t("mailings.form.how") },
        h(RateField, at("rate_limit")),
        h(
          Advanced,
          { inputs: ["provider", "sender", "budget"].map(at) },
          h(SentBy, { provider: at("provider"), sender: at("sender") }),
          h(BudgetField, at("budget")),
          h(UncertainField, { ...at("on_uncertain"), fixed: !isNew }),
        ),
      ),
    ),
    h(
      "div",
      { className: "m-form-side" },
      h(
        Preview,
        { values, result },
        sent > 0 && h("p", { className: "muted small" }, t("mailings.preview.sent_already", { smart_count: sent })),
        copy && h(HaveIt, { copy, values, field: fields.filter }),
        h(Refusal, { message: formState.errors.root?.server?.message, values, isBad: FIELDS.some(errorOf) }),
        h(
          "div",
          { className: "row m-form-buttons" },
          h(
            Button,
            { type: "submit", kind: "primary", busy: formState.isSubmitting },
            isNew ? submitWords(values, result) : t("action.save"),
          ),
          h(TryButton, { text: values.text, clientId: tried(values.text, result), disabled: !values.text }),
          h(Button, { onClick: onClose, disabled: formState.isSubmitting }, t("action.cancel")),
        ),
      ),
    ),
  );
}

/** Opens as soon as something is chosen there, or wrong, and stays open then: it must not close under a person's finger. */
function Advanced({ inputs, children }) {
  const isOpen = useRef(false);
  isOpen.current ||= inputs.some(({ field, error }) => field.value || error);
  return h(
    "details",
    { className: "m-advanced", open: isOpen.current || undefined },
    h("summary", null, t("mailings.advanced")),
    children,
  );
}

/** A text that names something of clients is tried as the first one of the audience gets it. */
const tried = (text, { preview }) => (isPersonal(text) ? preview?.samples[0]?.client_id : undefined);

/** Why it was not saved. "Look at the fields" goes when no field is wrong any more, the rest when something is changed. */
function Refusal({ message, values, isBad }) {
  const seen = useRef({});
  if (seen.current.message !== message) seen.current = { message, values: JSON.stringify(values) };
  const isMended = message === t("mailings.form.bad") ? !isBad : seen.current.values !== JSON.stringify(values);
  if (!message || isMended) return null;
  if (message === t("error.signed_out")) return h(Trouble, { error: { status: 401, message }, aside: true });
  return h(Notice, { tone: "bad" }, message);
}

/** Enter in a line of the form would send texts to everybody: only its button does. */
function noAccident(event) {
  if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault();
}

/** Tags, operator codes and attributes out of those that clients have. */
function FilterField({ field, error }) {
  const { of, error: trouble } = useFacets();
  const [tags, codes] = [of("tag"), of("phone_code")];
  const { value } = field;
  const set = (key) => (chosen) => field.onChange({ ...value, [key]: chosen });
  const unknown = t("mailings.pick.no_client");
  return h(
    "div",
    null,
    h(Pickers, {
      label: t("mailings.form.tags"),
      hint: t("mailings.form.tags_hint"),
      placeholder: t("mailings.form.tags_any"),
      error: value.attributes.length ? undefined : error,
      values: value.tags,
      onChange: set("tags"),
      options: tags,
      read: asIs,
      unknown,
      name: tagName,
      inputRef: field.ref,
    }),
    h(Pickers, {
      label: t("mailings.form.codes"),
      hint: t("mailings.form.codes_hint"),
      placeholder: t("mailings.form.codes_any"),
      values: value.phone_codes,
      onChange: set("phone_codes"),
      options: codes,
      read: (typed) => (CODE.test(typed) ? typed : null),
      unknown,
    }),
    h(Pickers, {
      label: t("mailings.form.not_tags"),
      hint: t("mailings.form.not_tags_hint"),
      placeholder: t("mailings.form.not_tags_none"),
      values: value.exclude_tags,
      onChange: set("exclude_tags"),
      options: tags,
      read: asIs,
      unknown,
      name: tagName,
    }),
    h(Conditions, { conditions: value.attributes, onChange: set("attributes"), error }),
    value.client_ids.length > 0 &&
      h(
        "p",
        { className: "row" },
        t("mailings.audience.ids", { smart_count: value.client_ids.length }),
        h(Button, { onClick: () => set("client_ids")([]) }, t("action.clear")),
      ),
    trouble && h("p", { className: "field-words" }, t("mailings.form.no_facets")),
  );
}
