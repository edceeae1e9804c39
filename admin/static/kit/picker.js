// Values picked from many, found by typing: ARIA comboboxes, for the mouse and the keyboard alone.

import { number, t } from "../i18n.js";
import { Field } from "./fields.js";
import { Fragment, h, useId, useMemo, useRef, useState } from "./lib.js";
import { Button } from "./parts.js";

const SHOWN = 100; // of more nobody reads the end: typing finds the rest

const plain = (text) => text.toLocaleLowerCase().replaceAll("_", " ").trim();
const labelOf = (options, value) =>
  value === null ? "" : (options.find((each) => each.value === value)?.label ?? value);
const looks = (value) => (value === "" ? "none" : ""); // "no tag" must not be taken for a tag of that name

function matching(options, typed) {
  const wanted = plain(typed);
  return (wanted ? options.filter((each) => plain(each.label).includes(wanted)) : options).slice(0, SHOWN);
}

/** A value without what people write in several ways. */
const spelt = (text) =>
  text
    .toLowerCase()
    .replaceAll("ё", "е")
    .replace(/[\s_-]+/g, " ")
    .trim();

/** Choices that are other spellings of those that are chosen. */
function twinsOf(options, values) {
  const chosen = new Set(values.map(spelt));
  return options.filter((each) => each.value !== "" && !values.includes(each.value) && chosen.has(spelt(each.value)));
}

/** What somebody means by a text: the choice that is called so, or the text as a new value. */
const meant = (options, text) => (text === "" ? null : (options.find((each) => each.label === text)?.value ?? text));

/**
 * One value. options: [{value, label, count?}], the most likely first; `value` null: nothing is picked. With `free` whatever
 * is typed is a value too. `inline`: the list is always there, for dialogs, where one that comes and goes would move the buttons.
 */
export function Picker({ options, value, onChange, free = false, ...rest }) {
  const [typed, setTyped] = useState(null); // null: not being typed in
  const found = useMemo(() => matching(options, typed ?? ""), [options, typed]);
  const pick = (picked) => {
    onChange(picked);
    setTyped(null);
  };
  return h(Combo, {
    ...rest,
    found,
    selected: value,
    text: typed ?? labelOf(options, value),
    nothing: t(free && typed ? "picker.new" : "picker.nothing"),
    first: typed && !free ? 0 : -1,
    onType: (text) => {
      setTyped(text);
      if (free) onChange(meant(options, text));
    },
    onPick: pick,
    onClose: () => setTyped(null),
    onLeave: () => !free && typed === "" && onChange(null),
    onClear: value === null ? undefined : () => pick(null),
  });
}

/**
 * Several values, each with a button that takes it away. `read(text)` makes a value of what is typed, or null when it can be
 * none; `unknown`: what is said of a value that is not among the options; `name(value)`: what a value is called.
 */
export function Pickers({ options, values, onChange, read, unknown, name = (value) => value, placeholder, ...rest }) {
  const [typed, setTyped] = useState("");
  const found = useMemo(() => {
    const value = typed.trim() ? read(typed.trim()) : null;
    const isNew = value !== null && !values.includes(value) && !options.some((each) => each.value === value);
    const others = matching(
      options.filter((each) => !values.includes(each.value)),
      typed,
    );
    return isNew ? [...others, { value, label: t("picker.use", { value }), count: unknown }] : others;
  }, [options, values, typed]);
  const remove = (value) => onChange(values.filter((each) => each !== value));
  const twins = useMemo(() => twinsOf(options, values), [options, values]);
  const addTwins = () => onChange([...values, ...twins.map(({ value }) => value)]);
  return h(Combo, {
    ...rest,
    hint: twins.length > 0 ? h(Twins, { twins, onAdd: addTwins }) : rest.hint,
    found,
    text: typed,
    first: 0,
    stays: true,
    nothing: t(typed ? "picker.impossible" : "picker.no_more"),
    placeholder: values.length ? "" : placeholder,
    chosen: values.map((value) => ({ value, label: name(value) })),
    onType: setTyped,
    onPick: (value) => {
      onChange([...values, value]);
      setTyped("");
    },
    onRemove: remove,
    onErase: () => values.length && remove(values.at(-1)),
  });
}

const nothing = () => {};

/** To whoever is compared with, "Омск" and "омск" are two values: people mean both. */
const Twins = ({ twins, onAdd }) =>
  h(
    Fragment,
    null,
    t("picker.twins", { values: twins.map(({ label, count }) => withCount(label, count)).join(", ") }),
    " ",
    h(Button, { className: "small", onClick: onAdd }, t("picker.twins_add")),
  );

const withCount = (label, count) => (typeof count === "number" ? `${label} (${number(count)})` : label);

/** What both are: a line to type in, and a list of what is `found`; `first`: which of it Enter takes when nobody has moved. */
function Combo({
  label,
  hint,
  error,
  className,
  found,
  selected,
  first,
  nothing: nothingFound,
  text,
  chosen = [],
  inline = false,
  stays = false,
  inputRef = nothing,
  onType,
  onPick,
  onRemove,
  onClear,
  onClose = nothing,
  onLeave = nothing,
  onErase = nothing,
  ...rest
}) {
  const [opened, setOpen] = useState(false);
  const [moved, setMoved] = useState(null);
  const field = useRef(null);
  const id = useId();
  const open = opened || inline;
  const active = open ? Math.min(moved ?? first, found.length - 1) : -1;
  const close = () => {
    setOpen(false);
    setMoved(null);
    onClose();
  };
  const pick = (value) => {
    onPick(value);
    setMoved(null);
    setOpen(stays);
  };
  const step = (by) => {
    setOpen(true);
    setMoved(Math.max(0, Math.min(found.length - 1, active + by)));
  };
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: open && (() => (found[active] ? pick(found[active].value) : close())), // in a closed list it sends the form
    Escape: opened && close, // in a closed list it closes the dialog
  };
  const onKeyDown = (event) => {
    if (event.key === "Backspace" && text === "") onErase();
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  const input = {
    role: "combobox",
    autoComplete: "off",
    spellCheck: false,
    value: text,
    onKeyDown,
    ref: (element) => {
      field.current = element;
      inputRef(element);
    },
    "aria-expanded": open,
    "aria-controls": id,
    "aria-autocomplete": "list",
    "aria-activedescendant": active >= 0 ? `${id}-${active}` : undefined,
    onChange: (event) => {
      onType(event.target.value);
      setOpen(true);
      setMoved(null);
    },
    onBlur: () => {
      onLeave();
      close();
    },
    onFocus: (event) => event.target.select(),
  };
  const frame = (event) => {
    if (event.target.closest("button")) return;
    field.current.focus();
    setOpen(true);
  };
  const button = (act, words) => ({
    type: "button",
    "aria-label": words,
    onClick: () => {
      act();
      field.current.focus();
    },
  });
  return h(Field, { label, hint, error, className }, ({ className: look, ...control }) =>
    h(
      "div",
      { className: "combo" },
      h(
        "div",
        { className: `combo-line ${look}`, onClick: frame },
        chosen.map((each) =>
          h(
            "span",
            { key: each.value, className: `combo-chosen ${looks(each.value)}` },
            each.label,
            h(
              "button",
              button(() => onRemove(each.value), t("picker.remove", { value: each.label })),
              "×",
            ),
          ),
        ),
        h("input", { ...rest, ...control, ...input }),
        onClear && h("button", { ...button(onClear, `${t("action.clear")}: ${label}`), className: "combo-clear" }, "×"),
      ),
      open && h(Options, { id, label, found, active, selected, inline, nothing: nothingFound, onPick: pick }),
    ),
  );
}

const Options = ({ id, label, found, active, selected, inline, nothing: words, onPick }) =>
  h(
    "ul",
    { id, role: "listbox", "aria-label": label, className: `combo-list ${inline ? "inline" : ""}` },
    found.length === 0 && h("li", { className: "muted", role: "presentation" }, words),
    found.map((each, index) =>
      h(
        "li",
        {
          key: each.value,
          id: `${id}-${index}`,
          role: "option",
          "aria-selected": each.value === selected,
          className: index === active ? "active" : "",
          ref: index === active ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined,
          onMouseDown: (event) => event.preventDefault(), // the input keeps the focus
          onClick: () => onPick(each.value),
        },
        h("span", { className: looks(each.value) }, each.label),
        each.count !== undefined &&
          h("span", { className: "combo-count" }, typeof each.count === "number" ? number(each.count) : each.count),
      ),
    ),
  );
