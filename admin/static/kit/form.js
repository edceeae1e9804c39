// Forms of ours: what they hold, and what the engine says of it. The mailing's form is react-admin's.

import { t } from "../i18n.js";
import { h, useId, useState } from "./lib.js";
import { Button, Dialog, Trouble } from "./parts.js";

/**
 * What a form holds. `send(values)` may reject with HttpError: what it says of a field stands there, the rest is `problem`.
 * `input(name)` is the properties of a field of kit/fields.js.
 */
export function useForm(initial, send) {
  const [values, setValues] = useState(initial);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [touched, setTouched] = useState([]); // since the engine has said it: what it said of them is old
  const told = error?.body?.errors ?? {};
  const errors = Object.fromEntries(Object.entries(told).filter(([name]) => !touched.includes(name)));
  const set = (name, value) => {
    setValues((old) => ({ ...old, [name]: value }));
    setTouched((old) => [...old, name]);
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    setTouched([]);
    try {
      await send(values);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const input = (name) => ({ name, value: values[name], error: errors[name], onChange: (value) => set(name, value) });
  const isShown = Object.keys(told).length > 0 && Object.keys(told).every((name) => name in values);
  return { values, set, input, submit, busy, problem: isShown ? null : error };
}

/** A form of useForm in a dialog; `submitLabel`: what its button does. */
export function FormDialog({ title, form, submitLabel, onClose, children }) {
  const id = useId();
  const actions = [
    h(Button, { key: "no", onClick: onClose }, t("action.cancel")),
    h(Button, { key: "yes", type: "submit", form: id, kind: "primary", busy: form.busy }, submitLabel),
  ];
  return h(
    Dialog,
    { title, onClose, actions },
    h(
      "form",
      { id, className: "form-fields", onSubmit: form.submit },
      h(Trouble, { error: form.problem, aside: true }),
      children,
    ),
  );
}
