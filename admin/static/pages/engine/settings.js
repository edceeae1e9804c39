// Workers and rate, changed live by an admin; others see them.
import { isAdmin } from "../../api.js";
import { number, t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useEffect, useNotify, useState } from "../../kit/lib.js";
import { Button, Card, Facts } from "../../kit/parts.js";
import { limitWords } from "../dashboard/health.js";
import { patchEngine } from "./sending.js";

const SETTINGS = [
  { name: "workers", shown: (value) => number(value), sent: Number },
  { name: "rate_limit", shown: limitWords, sent: (text) => (text === "" ? null : Number(text)) },
];

/** Several providers come from a file, which says what each of them has: there is nothing to change here. */
export function SettingsCard(props) {
  const isChanged = isAdmin() && props.engine.providers.length === 1;
  return h(Card, { title: t("engine.workers_and_rate"), className: "upright" }, h(isChanged ? Changed : Seen, props));
}

const Changed = ({ engine, onChange }) => [
  ...SETTINGS.map((setting) => h(Setting, { key: setting.name, setting, value: engine[setting.name], onChange })),
  h("p", { key: "words", className: "plain muted small" }, t("engine.until_stopped")),
];

function Seen({ engine }) {
  if (engine.providers.length > 1) return h("p", { className: "plain" }, t("engine.by_the_file"));
  const rows = SETTINGS.map(({ name, shown }) => ({
    key: name,
    label: t(`engine.${name}`),
    value: shown(engine[name]),
  }));
  return h(Facts, { rows });
}

/** A number with a button; what the engine says against it stands below. Until it is touched it shows what holds. */
function Setting({ setting: { name, shown, sent }, value, onChange }) {
  const notify = useNotify();
  const [draft, setDraft] = useState(null);
  const [saved, setSaved] = useState(undefined); // what the engine has confirmed, until the page has read it anew
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const held = saved === undefined ? value : saved;
  const current = held === null ? "" : String(held);
  useEffect(() => setSaved(undefined), [value]);
  const save = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const status = await patchEngine({ [name]: sent(draft) });
      setSaved(status[name]);
      setDraft(null);
      setError(null);
      notify(t(`engine.saved_${name}`, { value: shown(status[name]) }), { type: "success" });
      onChange();
    } catch (problem) {
      setError(problem.body?.errors?.[name] ?? problem.message);
    } finally {
      setBusy(false);
    }
  };
  return h(
    "form",
    { className: "setting", onSubmit: save, noValidate: true },
    h(Input, {
      label: t(`engine.${name}`),
      hint: t(`engine.${name}_hint`),
      error,
      type: "number",
      step: "any",
      inputMode: "decimal",
      value: draft ?? current,
      onChange: setDraft,
      placeholder: name === "rate_limit" ? t("engine.no_limit") : undefined,
      after: h(
        Button,
        { type: "submit", kind: "primary", busy, disabled: draft === null || draft === current },
        t("action.save"),
      ),
    }),
  );
}
