// Choosing several of many values, by the mouse or the keyboard alone: a combobox with what is chosen as chips before it.
import { h, useEffect, useId, useRef, useState } from "../../kit/lib.js";
import { number, t } from "../../i18n.js";

const SHOWN_MAX = 50;

/**
 * options: [{value, client_count}], the most frequent first; `read(text)` makes a value of what is typed, or null when it
 * can be none; `none`: what the value "" is called; `bad`: something is wrong with a value.
 */
export function Picker({ id, label, hint, values, onChange, options, read, none, placeholder, bad, inputRef }) {
  const [typed, setTyped] = useState("");
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const field = useRef(null);
  const listId = useId();
  const found = matching(options, values, typed, read, none);
  const active = Math.min(at, found.length - 1);
  const name = (value) => (value === "" ? none : value);

  const add = (value) => {
    onChange([...values, value]);
    setTyped("");
    setAt(0);
  };
  const remove = (value) => {
    onChange(values.filter((each) => each !== value));
    field.current.focus();
  };
  const onKeyDown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setOpen(true);
      setAt((active + step + found.length) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault(); // it would send the form
      if (open && found[active]) add(found[active].value);
    } else if (event.key === "Escape") setOpen(false);
    else if (event.key === "Backspace" && typed === "" && values.length) remove(values.at(-1));
  };

  return h(
    "div",
    { className: "m-field" },
    h("label", { htmlFor: id }, label),
    h(
      "div",
      { className: `m-picker ${bad ? "bad" : ""}`, onClick: () => field.current.focus() },
      values.map((value) =>
        h(
          "span",
          { key: value, className: `m-picked ${value === "" ? "none" : ""}` },
          h("span", null, name(value)),
          h("button", { type: "button", "aria-label": t("mailings.pick.remove", { value: name(value) }), onClick: () => remove(value) }, "×"),
        ),
      ),
      h("input", {
        id,
        ref: (element) => {
          field.current = element;
          inputRef?.(element);
        },
        role: "combobox", autoComplete: "off", "aria-expanded": open, "aria-controls": listId, "aria-autocomplete": "list",
        "aria-activedescendant": open && found[active] ? `${listId}-${active}` : undefined, "aria-invalid": Boolean(bad), "aria-describedby": `${id}-hint`,
        placeholder: values.length ? "" : placeholder,
        value: typed,
        onChange: (event) => (setTyped(event.target.value), setAt(0), setOpen(true)),
        onFocus: () => setOpen(true),
        onClick: () => setOpen(true),
        onBlur: () => setOpen(false),
        onKeyDown,
      }),
      open && h(Options, { id: listId, found, active, typed, name, add }),
    ),
    h("p", { className: "m-field-hint", id: `${id}-hint` }, hint),
  );
}

function Options({ id, found, active, typed, name, add }) {
  const current = useRef(null);
  useEffect(() => void current.current?.scrollIntoView({ block: "nearest" }), [active]);
  return h(
    "ul",
    { className: "m-picker-options", role: "listbox", id },
    found.length === 0 && h("li", { className: "muted" }, t(typed ? "mailings.pick.impossible" : "mailings.pick.nothing")),
    found.map((option, index) =>
      h(
        "li",
        {
          key: option.value, id: `${id}-${index}`, role: "option", "aria-selected": index === active, ref: index === active ? current : null,
          className: index === active ? "active" : "",
          onMouseDown: (event) => (event.preventDefault(), add(option.value)), // before the input loses its focus
        },
        h("span", { className: option.value === "" ? "none" : "" }, option.isNew ? t("mailings.pick.new", { value: option.value }) : name(option.value)),
        h("span", { className: "muted" }, option.isNew ? t("mailings.pick.no_client") : number(option.client_count)),
      ),
    ),
  );
}

/** What can be chosen: those that contain what is typed, and what is typed itself when no client has it yet. */
function matching(options, values, typed, read, none) {
  const text = typed.trim().toLocaleLowerCase();
  const free = options.filter((option) => !values.includes(option.value));
  const found = free.filter((option) => (option.value || none || "").toLocaleLowerCase().includes(text)).slice(0, SHOWN_MAX);
  const value = text ? read(typed.trim()) : null;
  const known = value === null || values.includes(value) || options.some((option) => option.value === value);
  return known ? found : [...found, { value, isNew: true }];
}
