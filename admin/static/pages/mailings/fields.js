// The form's fields. Each is told its value, and what is wrong with it.

import { t, timeZone } from "../../i18n.js";
import { Choice, Field } from "../../kit/fields.js";
import { h, useId, useRef, useState } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { DAYTIME } from "./night.js";
import { isPersonal, Placeholders, writtenSegments } from "./placeholders.js";
import { countSegments, dearCharacters, lengthOf, TEXT_MAX } from "./sms.js";
import { after, ends, fromLocal, lasting, starts, toLocal } from "./times.js";

const NAME_MAX = 100;

const changed = (field) => (event) => field.onChange(event.target.value);

/** What the mailing is called in lists. */
export const NameField = ({ field, error }) =>
  h(Field, { label: t("mailings.form.name"), error, hint: t("mailings.form.name_hint") }, (props) =>
    h("input", {
      ...props,
      ref: field.ref,
      value: field.value,
      maxLength: NAME_MAX,
      autoComplete: "off",
      onChange: changed(field),
      onBlur: field.onBlur,
      placeholder: t("mailings.form.name_example"),
    }),
  );

/** The text, and what it takes as one types; `counted`: what the engine says of it, as soon as it has been asked. */
export function TextField({ field, error, counted }) {
  const { value } = field;
  const area = useRef(null);
  return h(
    "div",
    null,
    h(Field, { label: t("mailings.form.text"), error }, (props) =>
      h("textarea", {
        ...props,
        ref: (element) => {
          area.current = element;
          field.ref(element);
        },
        rows: 5,
        value,
        onChange: changed(field),
        onBlur: field.onBlur,
        autoFocus: true,
        placeholder: t("mailings.form.text_example"),
      }),
    ),
    h(Length, { text: value, counted }),
    h(Placeholders, { area: () => area.current, onChange: field.onChange }),
  );
}

function Length({ text, counted }) {
  const { left, ...local } = countSegments(text);
  const { encoding, units, segments } = counted ?? local;
  const dear = dearCharacters(text);
  const length = lengthOf(text);
  return h(
    "div",
    { className: "m-text-length" },
    h("span", { className: length > TEXT_MAX ? "over" : "" }, t("mailings.form.length", { length, most: TEXT_MAX })),
    segments > 0 && h("strong", null, writtenSegments({ text, segments })),
    segments > 0 && h("span", { title: t(`mailings.encoding.${encoding}.hint`) }, t(`mailings.encoding.${encoding}`)),
    segments > 0 && !isPersonal(text) && h("span", null, t("mailings.form.units", { units, left })),
    dear &&
      h(
        "p",
        { className: "field-words" },
        t("mailings.form.dear", { characters: dear.characters.join(" "), smart_count: dear.segments }),
      ),
  );
}

const Picks = ({ picks, onPick, label }) =>
  h(
    "div",
    { className: "m-picks", role: "group", "aria-label": label },
    picks.map(({ key, label: words, value }) =>
      h(Button, { key, className: "small", onClick: () => onPick(value) }, words),
    ),
  );

/** Whether whoever comes to match after the start gets it. */
export const LaterField = ({ field }) =>
  h(Choice, {
    label: t("mailings.later"),
    name: useId(),
    value: field.value,
    onChange: field.onChange,
    options: ["live", "fixed"].map((value) => ({
      value,
      label: t(`mailings.later.${value}`),
      words: t(`mailings.later.${value}.hint`),
    })),
  });

/** From when: at once, or at a time of the person's own zone. The end moves along, so that there is as much time as before. */
export function StartField({ field, error, end, label }) {
  const { value } = field;
  const id = useId();
  const last = useRef(value); // the last whole one: while a date is typed there is none
  const set = (start) => {
    field.onChange(start);
    if (start === "") return;
    if (end.value) end.onChange(after(start, lasting(last.current, end.value)));
    last.current = start;
  };
  const choice = (checked, words, start) =>
    h(
      "label",
      { className: "m-choice" },
      h("input", { type: "radio", name: id, checked, onChange: () => set(start()) }),
      words,
    );
  return h(
    "div",
    null,
    h(
      "div",
      { className: "field", role: "radiogroup", "aria-label": label },
      h("span", { className: "field-label" }, label),
      choice(value === null, t("mailings.form.at_once"), () => null),
      choice(value !== null, t("mailings.form.at_time"), starts()[1].value),
    ),
    value !== null &&
      h(
        "div",
        { className: "m-indented" },
        h(Moment, { field: { ...field, onChange: set }, error, label: t("mailings.form.start_at") }),
        h(Picks, { picks: starts(), onPick: (make) => set(make()), label: t("mailings.form.quick") }),
      ),
  );
}

/** An input of a date and a time: what is half typed stays there, and is no time yet. */
function Moment({ field, error, label }) {
  const [typed, setTyped] = useState("");
  // A year that is being typed is the year 2, 20, 202 on the way: it must come back as it was typed.
  const local = fromLocal(typed) === field.value ? typed : toLocal(field.value);
  const onChange = ({ target: { value } }) => {
    setTyped(value);
    field.onChange(fromLocal(value));
  };
  return h(Field, { label, error }, (props) =>
    h("input", { ...props, type: "datetime-local", ref: field.ref, value: local, onChange, onBlur: field.onBlur }),
  );
}

export const EndField = ({ field, error, start }) =>
  h(
    "div",
    null,
    h(Moment, { field, error, label: t("mailings.form.end") }),
    h(Picks, { picks: ends(), onPick: (make) => field.onChange(make(start)), label: t("mailings.form.quick") }),
    h("p", { className: "field-words" }, t("mailings.form.end_hint"), " ", t("time.zone", { zone: timeZone() })),
  );

/** Hours of the day, in each client's own zone. */
export function HoursField({ field, error }) {
  const { value } = field;
  const id = useId();
  const input = (key) =>
    h("input", {
      id: `${id}-${key}`,
      type: "time",
      className: "control",
      value: value[key],
      "aria-invalid": Boolean(error),
      "aria-describedby": `${id}-words`,
      onChange: (event) => field.onChange({ ...value, [key]: event.target.value }),
    });
  const choice = (checked, words, hours) =>
    h(
      "label",
      { className: "m-choice" },
      h("input", {
        type: "radio",
        name: id,
        ref: checked ? field.ref : undefined,
        checked,
        onChange: () => field.onChange(hours),
      }),
      words,
    );
  return h(
    "div",
    { className: "field", role: "radiogroup", "aria-label": t("mailings.fact.local_hours") },
    h("span", { className: "field-label" }, t("mailings.fact.local_hours")),
    choice(value !== null, t("mailings.form.hours"), DAYTIME),
    value !== null &&
      h(
        "div",
        { className: "row m-indented" },
        h("label", { htmlFor: `${id}-from` }, t("mailings.form.hours_from")),
        input("from"),
        h("label", { htmlFor: `${id}-to` }, t("mailings.form.hours_to")),
        input("to"),
      ),
    choice(value === null, t("mailings.form.urgent"), null),
    h(
      "div",
      { id: `${id}-words` },
      error && h("p", { className: "field-words bad", role: "alert" }, error),
      h(
        "p",
        { className: "field-words" },
        t(value !== null && value.from > value.to ? "mailings.form.hours_midnight" : "mailings.form.hours_hint"),
      ),
    ),
  );
}

export const RateField = (props) => h(LimitField, { ...props, name: "rate" });
export const BudgetField = (props) => h(LimitField, { ...props, name: "budget" });

/** A number that may be left out. */
const LimitField = ({ field, error, name }) =>
  h(Field, { label: t(`mailings.form.${name}`), error, hint: t(`mailings.form.${name}_hint`) }, (props) =>
    h("input", {
      ...props,
      ref: field.ref,
      inputMode: "decimal",
      value: field.value,
      onChange: changed(field),
      onBlur: field.onBlur,
      placeholder: t(`mailings.form.${name}_none`),
    }),
  );

/** What a crash may do to a message in flight; fixed once the mailing is registered. */
export function UncertainField({ field, fixed }) {
  const id = useId();
  if (fixed) {
    return h(
      "div",
      { className: "field" },
      h("span", { className: "field-label" }, t("mailings.form.uncertain")),
      h(
        "p",
        { className: "field-words" },
        t(`mailings.uncertain.${field.value}`),
        ". ",
        t("mailings.form.uncertain_fixed"),
      ),
    );
  }
  return h(
    "div",
    { className: "field", role: "radiogroup", "aria-label": t("mailings.form.uncertain") },
    h("span", { className: "field-label" }, t("mailings.form.uncertain")),
    h("p", { className: "field-words" }, t("mailings.form.uncertain_hint")),
    ["resend", "not_sent"].map((each) =>
      h(
        "label",
        { key: each, className: "m-choice" },
        h("input", { type: "radio", name: id, checked: field.value === each, onChange: () => field.onChange(each) }),
        h(
          "span",
          null,
          t(`mailings.uncertain.${each}`),
          h("span", { className: "field-words" }, t(`mailings.uncertain.${each}.hint`)),
        ),
      ),
    ),
  );
}
