// Fields of forms and filters: a label above, the control, and below it a hint or what is wrong.
import { h, useId } from "./lib.js";

/** A labelled control; `children(props)` draws it with the id and aria attributes that tie it to its words. */
export function Field({ label, hint, error, className = "", children }) {
  const id = useId();
  const words = error ?? hint;
  const control = { id, "aria-invalid": error ? true : undefined, "aria-describedby": words ? `${id}-words` : undefined };
  return h(
    "div",
    { className: `input-field ${error ? "wrong" : ""} ${className}` },
    h("label", { htmlFor: id }, label),
    children(control),
    words && h("div", { id: `${id}-words`, className: error ? "input-error" : "input-hint", role: error ? "alert" : undefined }, words),
  );
}

/** A line of text. `onChange` gets the text; the rest goes to the input. */
export const Input = ({ label, hint, error, className, value, onChange, ...rest }) =>
  h(Field, { label, hint, error, className }, (control) =>
    h("input", { ...rest, ...control, className: "input-control", value, onChange: (event) => onChange(event.target.value) }),
  );

/** One of a few: options [{value, label}]. */
export const Choice = ({ label, hint, error, className, value, onChange, options, ...rest }) =>
  h(Field, { label, hint, error, className }, (control) =>
    h(
      "select",
      { ...rest, ...control, className: "input-control", value, onChange: (event) => onChange(event.target.value) },
      options.map((each) => h("option", { key: each.value, value: each.value }, each.label)),
    ),
  );
