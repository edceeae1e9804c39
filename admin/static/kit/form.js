// Forms of ours, in dialogs: inputs with a label, a hint and what is wrong with them. Pages with react-admin's forms use its inputs.
import { h, useId, useState } from "./lib.js";

/** A labelled input; `hint` is what to know before, `error` what is wrong with it. `as`: "input" or "select"; `after`: beside it. */
export function Field({ label, hint, error, as = "input", after, children, ...input }) {
  const id = useId();
  const words = error ?? hint;
  return h(
    "div",
    { className: error ? "form-field wrong" : "form-field" },
    h("label", { htmlFor: id }, label),
    h(
      "div",
      { className: "form-field-line" },
      h(as, { id, "aria-invalid": error ? true : undefined, "aria-describedby": words ? `${id}-words` : undefined, ...input }, children),
      after,
    ),
    words && h("p", { id: `${id}-words`, className: "form-field-words", role: error ? "alert" : undefined }, words),
  );
}

/** One of a few, each with what it means: choices [{value, label, words}]. */
export function Choice({ label, name, value, choices, onChange }) {
  return h(
    "fieldset",
    { className: "form-choice" },
    h("legend", null, label),
    choices.map((each) =>
      h(
        "label",
        { key: each.value },
        h("input", { type: "radio", name, value: each.value, checked: each.value === value, onChange: () => onChange(each.value) }),
        h("span", null, h("strong", null, each.label), h("span", { className: "muted" }, each.words)),
      ),
    ),
  );
}

/**
 * What a form holds. `send(values)` may reject with HttpError: what it says of a field stands there, the rest is `problem`.
 * `input(name)` is a Field's properties.
 */
export function useForm(initial, send) {
  const [values, setValues] = useState(initial);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const errors = error?.body?.errors ?? {};
  const set = (name, value) => setValues((old) => ({ ...old, [name]: value }));
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await send(values);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const input = (name) => ({ name, value: values[name], error: errors[name], onChange: (event) => set(name, event.target.value) });
  const isShown = Object.keys(errors).length > 0 && Object.keys(errors).every((name) => name in values);
  return { values, set, input, submit, busy, problem: isShown ? null : error };
}
