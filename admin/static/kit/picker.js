// A value picked from many, found by typing (an ARIA combobox).
import { h, useId, useMemo, useRef, useState } from "./lib.js";
import { number, t } from "../i18n.js";
import { Field } from "./fields.js";

const SHOWN = 100; // of more nobody reads the end: typing finds the rest

const plain = (text) => text.toLocaleLowerCase().replaceAll("_", " ");
const labelOf = (options, value) => (value === null ? "" : (options.find((each) => each.value === value)?.label ?? value));

function matching(options, typed) {
  const wanted = plain(typed).trim();
  return (wanted ? options.filter((each) => plain(each.label).includes(wanted)) : options).slice(0, SHOWN);
}

/** What somebody means by a text: the choice that is called so, or the text as a new value. */
const meant = (options, text) => (text === "" ? null : (options.find((each) => each.label === text)?.value ?? text));

/**
 * options: [{value, label, count?}], the most likely first; `value` null: nothing is picked. With `free` whatever is
 * typed is a value too. `inline`: the list is always there, for dialogs, where one that comes and goes would move the buttons.
 */
export function Picker({ label, hint, error, className, options, value, onChange, placeholder, free = false, inline = false, disabled }) {
  const [typed, setTyped] = useState(null); // null: not being typed in
  const [opened, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef(null);
  const open = opened || inline;
  const list = useId();
  const text = typed ?? labelOf(options, value);
  const found = useMemo(() => matching(options, typed ?? ""), [options, typed]);

  const close = () => (setOpen(false), setActive(-1), setTyped(null));
  const pick = (picked) => (onChange(picked), close());
  const change = (event) => {
    setTyped(event.target.value);
    setOpen(true);
    setActive(-1);
    if (free) onChange(meant(options, event.target.value));
  };
  const leave = () => {
    if (!free && typed === "") onChange(null);
    close();
  };
  const step = (by) => {
    setOpen(true);
    setActive((old) => Math.max(0, Math.min(found.length - 1, old + by)));
  };
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => open && (found[active] ? pick(found[active].value) : free ? close() : found.length > 0 && typed && pick(found[0].value)),
    Escape: () => open && close(),
  };
  const onKeyDown = (event) => {
    if (!keys[event.key] || (event.key === "Escape" && !opened)) return;
    if (event.key !== "Enter" || open) event.preventDefault(); // Enter in a closed list sends the form, Escape closes a dialog
    keys[event.key]();
  };

  return h(Field, { label, hint, error, className: className }, (control) =>
    h(
      "div",
      { className: "combo-box" },
      h(
        "div",
        { className: "combo-line" },
        h("input", {
          ...control,
          ref: input,
          className: "input-control",
          role: "combobox",
          autoComplete: "off",
          spellCheck: false,
          disabled,
          placeholder,
          value: text,
          "aria-expanded": open,
          "aria-controls": list,
          "aria-autocomplete": "list",
          "aria-activedescendant": active >= 0 ? `${list}-${active}` : undefined,
          onChange: change,
          onKeyDown,
          onBlur: leave,
          onFocus: (event) => event.target.select(),
          onClick: () => setOpen(true),
        }),
        value !== null &&
          !disabled &&
          h(
            "button",
            { type: "button", className: "combo-clear", "aria-label": `${t("action.clear")}: ${label}`, onClick: () => (pick(null), input.current.focus()) },
            "×",
          ),
      ),
      open && h(Options, { id: list, label, found, active, value, inline, isNew: free && Boolean(typed), onPick: pick }),
    ),
  );
}

const Options = ({ id, label, found, active, value, inline, isNew, onPick }) =>
  h(
    "ul",
    { id, role: "listbox", "aria-label": label, className: `combo-list ${inline ? "inline" : ""}` },
    found.length === 0 && h("li", { className: "muted", role: "presentation" }, t(isNew ? "picker.new" : "picker.nothing")),
    found.map((each, index) =>
      h(
        "li",
        {
          key: each.value,
          id: `${id}-${index}`,
          role: "option",
          "aria-selected": each.value === value,
          className: index === active ? "active" : "",
          ref: index === active ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined,
          onMouseDown: (event) => event.preventDefault(), // the input keeps the focus
          onClick: () => onPick(each.value),
        },
        h("span", null, each.label),
        each.count !== undefined && h("span", { className: "combo-count" }, number(each.count)),
      ),
    ),
  );
