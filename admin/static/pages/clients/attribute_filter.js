// Only clients with these values of attributes: picked from those that clients have.
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Picker, Pickers } from "../../kit/picker.js";
import { textOf, valueIn } from "../../kit/values.js";
import { useAttributes } from "./attributes.js";

const nothing = [];
const CONDITIONS_MAX = 20; // the engine's own limit

/** What the address says, by name; an empty value: clients without the attribute. */
export const wantedOf = (text) => Object.fromEntries(new URLSearchParams(text));

const written = (wanted) => new URLSearchParams(wanted).toString();

/** A value as lists are asked for it: a guard before a text that looks like a number is not a part of it. */
const plain = (picked) => {
  const value = valueIn(picked);
  return typeof value === "string" ? value : textOf(value);
};

/** `value`: as it is in the address. */
export function AttributeFilter({ value, onChange }) {
  const wanted = wantedOf(value);
  const [name, setName] = useState(null);
  const [looks, setLooks] = useState(false);
  const names = useAttributes("", looks);
  const without = (gone) => onChange(written(Object.entries(wanted).filter(([each]) => each !== gone)));
  const add = (picked) => {
    onChange(written({ ...wanted, [name]: plain(picked) }));
    setName(null);
  };
  return [
    h(
      "div",
      { key: "name", onFocus: () => setLooks(true) },
      h(Picker, {
        label: t("mailings.form.attribute"),
        placeholder: t("clients.any"),
        options: names.filter((each) => !(each.value in wanted)),
        value: name,
        onChange: setName,
        disabled: Object.keys(wanted).length >= CONDITIONS_MAX,
      }),
    ),
    name !== null && h(Values, { key: "value", name, onPick: add }),
    value !== "" &&
      h(
        "div",
        { key: "wanted", className: "client-wanted" },
        Object.entries(wanted).map(([each, text]) => h(Wanted, { key: each, name: each, text, remove: without })),
      ),
  ];
}

function Values({ name, onPick }) {
  const options = useAttributes(name);
  return h(Pickers, {
    label: t("clients.attribute.value_of", { name }),
    autoFocus: true,
    options: [...options, { value: "", label: t("mailings.op.is_not_set") }],
    values: nothing,
    read: (text) => text, // the most frequent ones are offered: others are typed
    onChange: ([picked]) => onPick(picked),
  });
}

const Wanted = ({ name, text, remove }) =>
  h(
    "span",
    { className: "combo-chosen" },
    text === "" ? t("mailings.op_words.is_not_set", { name }) : `${name}: ${text}`,
    h(
      "button",
      { type: "button", "aria-label": t("mailings.form.remove_condition", { name }), onClick: () => remove(name) },
      "×",
    ),
  );
