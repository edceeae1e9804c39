// Conditions on attributes: the part of the form where they are made, of what clients have, and their words.
import { t } from "../../i18n.js";
import { FieldRows } from "../../kit/field_rows.js";
import { Select } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker, Pickers } from "../../kit/picker.js";
import { isPeoplesDate, ordered, textOf, valueIn } from "../../kit/values.js";
import { useAttributes } from "../clients/attributes.js";

const OPS = ["any_of", "none_of", "at_least", "at_most", "is_set", "is_not_set"];
const ORDERED = ["at_least", "at_most"];
const BARE = ["is_set", "is_not_set"];
const nothing = [];

/** Whether something is missing in a condition. */
export const isUnfinished = ({ name, op, values }) => !name || (!BARE.includes(op) && values.length === 0);

/** A condition in words: "city: Omsk or Tver". */
export const conditionWords = ({ name, op, values }) =>
  t(`mailings.op_words.${op}`, { name, values: values.map(textOf).join(` ${t("mailings.audience.or")} `) });

export function Conditions({ conditions, onChange, error }) {
  const names = useAttributes();
  const change = (index, condition) => onChange(conditions.map((each, place) => (place === index ? condition : each)));
  return h(
    FieldRows,
    {
      label: t("mailings.form.attributes"),
      hint: t("mailings.form.attributes_hint"),
      error: conditions.length > 0 && error,
      addLabel: t("mailings.form.add_condition"),
      onAdd: () => onChange([...conditions, { name: "", op: "any_of", values: [] }]),
    },
    conditions.map((each, index) =>
      h(Condition, {
        key: index,
        condition: each,
        names,
        isWrong: Boolean(error) && isUnfinished(each),
        change: (condition) => change(index, condition),
        remove: () => onChange(conditions.filter((_, place) => place !== index)),
      }),
    ),
  );
}

/** `isWrong`: what is missing in it is marked; in words it is said once, below all conditions. */
function Condition({ condition, names, isWrong, change, remove }) {
  const { name, op, values } = condition;
  const setOp = (next) => change({ ...condition, op: next, values: BARE.includes(next) ? [] : fitting(next, values) });
  return h(
    "div",
    { className: "condition" },
    h(Picker, {
      label: t("mailings.form.attribute"),
      value: name || null,
      onChange: (picked) => change({ ...condition, name: picked ?? "", values: [] }),
      options: names,
      free: true,
      error: isWrong && !name,
    }),
    h(Select, {
      label: t("mailings.form.op"),
      value: op,
      onChange: setOp,
      options: OPS.map((value) => ({ value, label: t(`mailings.op.${value}`) })),
    }),
    BARE.includes(op) ? h("span") : h(Values, { condition, isWrong: isWrong && Boolean(name), change }),
    h(Button, { onClick: remove, "aria-label": t("mailings.form.remove_condition", { name }) }, "×"),
  );
}

/** At most one value where order counts, and no yes or no. */
const fitting = (op, values) =>
  ORDERED.includes(op) ? values.filter((each) => typeof each !== "boolean").slice(0, 1) : values;

function Values({ condition, isWrong, change }) {
  const { name, op, values } = condition;
  const found = useAttributes(name);
  const label = t("mailings.form.value");
  const options = name ? found : nothing;
  if (ORDERED.includes(op)) return h(Bound, { label, options, condition, isWrong, change });
  return h(Pickers, {
    label,
    values: values.map(textOf),
    onChange: (texts) => change({ ...condition, values: texts.map(valueIn) }),
    options,
    read: (text) => text,
    unknown: t("mailings.pick.no_client"),
    error: isWrong,
  });
}

/** The value that others are not to be below, or above. Where clients have dates as people write them, no order is right. */
function Bound({ label, options, condition, isWrong, change }) {
  const { values } = condition;
  const odd = options.find(({ value }) => isPeoplesDate(value));
  const taken = (text) => (odd ? text : ordered(text));
  return h(
    "div",
    null,
    h(Picker, {
      label,
      value: values.length ? textOf(values[0]) : null,
      onChange: (text) => change({ ...condition, values: text === null ? [] : [valueIn(taken(text))] }),
      options,
      free: true,
      error: isWrong,
    }),
    odd && h("p", { className: "field-words bad" }, t("mailings.form.dates_as_text", { value: odd.value })),
  );
}
