// Fields of forms and filters: a label above, the control, and below it a hint or what is wrong.
import { h, useId } from "./lib.js";

/**
 * A labelled control, and `after`, what stands beside it; `children(props)` draws it with what ties it to its words. `error`:
 * what is wrong; true: that is said elsewhere.
 */
export function Field({ label, hint, error, className = "", after, children }) {
  const id = useId();
  const words = (error !== true && error) || hint;
  const control = children({
    id,
    className: "control",
    "aria-invalid": error ? true : undefined,
    "aria-describedby": words ? `${id}-words` : undefined,
  });
  return h(
    "div",
    { className: `field ${error ? "wrong" : ""} ${className}` },
    h("label", { htmlFor: id }, label),
    after ? h("div", { className: "field-line" }, control, after) : control,
    words &&
      h(
        "p",
        { id: `${id}-words`, className: "field-words", role: error && error !== true ? "alert" : undefined },
        words,
      ),
  );
}

/** A line of text. `onChange` gets the text; the rest goes to the input. */
export const Input = ({ label, hint, error, className, after, value, onChange, ...rest }) =>
  h(Field, { label, hint, error, className, after }, (control) =>
    h("input", {
      ...rest,
      ...control,
      "data-focus": rest.autoFocus || undefined, // a dialog that opens looks for it
      value,
      onChange: (event) => onChange(event.target.value),
    }),
  );

/** One of a few: options [{value, label}]. */
export const Select = ({ label, hint, error, className, value, onChange, options, ...rest }) =>
  h(Field, { label, hint, error, className }, (control) =>
    h(
      "select",
      { ...rest, ...control, value, onChange: (event) => onChange(event.target.value) },
      options.map((each) => h("option", { key: each.value, value: each.value }, each.label)),
    ),
  );

/** Yes or no, in one line. */
export const Tick = ({ label, checked, onChange }) =>
  h(
    "label",
    { className: "row" },
    h("input", { type: "checkbox", checked, onChange: (event) => onChange(event.target.checked) }),
    label,
  );

/** One of a few, each with what it means: options [{value, label, words}]. */
export const Choice = ({ label, name, value, onChange, options }) =>
  h(
    "fieldset",
    { className: "choice" },
    h("legend", null, label),
    options.map((each) =>
      h(
        "label",
        { key: each.value },
        h("input", {
          type: "radio",
          name,
          value: each.value,
          checked: each.value === value,
          onChange: () => onChange(each.value),
        }),
        h("span", null, h("strong", null, each.label), h("span", { className: "muted" }, each.words)),
      ),
    ),
  );
