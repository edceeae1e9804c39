// Creating an API token: the form, and then its secret, the only time it can be seen.
import { dataProvider } from "../../api.js";
import { dateTime, t, timeZone } from "../../i18n.js";
import { Input, Select } from "../../kit/fields.js";
import { FormDialog, useForm } from "../../kit/form.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Copyable, Dialog, Notice } from "../../kit/parts.js";
import { RoleChoice } from "./role.js";

const DAYS = ["30", "90", "365"];
const NEVER = "never";
const DATE = "date";

/** When a token with this choice ends: an instant, or null for never or for a date that is not yet chosen. */
function expiry({ lasts, date }, now = new Date()) {
  if (lasts === NEVER || (lasts === DATE && !date)) return null;
  if (lasts !== DATE) return new Date(now.getTime() + Number(lasts) * 86_400_000).toISOString();
  return new Date(`${date}T23:59:59`).toISOString(); // without an offset it is the person's own zone
}

function tomorrow() {
  const day = new Date(Date.now() + 86_400_000);
  return new Date(day.getTime() - day.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

export function TokenDialog({ onMade, onClose }) {
  const [made, setMade] = useState(null);
  const create = async (values) => {
    const data = { name: values.name.trim(), role: values.role, expire_time: expiry(values) };
    const answer = await dataProvider.create("tokens", { data });
    setMade(answer.data);
    onMade();
  };
  return made ? h(Made, { token: made, onClose }) : h(TokenForm, { create, onClose });
}

function TokenForm({ create, onClose }) {
  const form = useForm({ name: "", role: "viewer", lasts: "90", date: "", expire_time: "" }, create);
  const ends = expiry(form.values);
  const never = form.values.lasts === NEVER ? t("tokens.never_hint") : undefined;
  const options = [
    ...DAYS.map((days) => ({ value: days, label: t("tokens.days", { smart_count: Number(days) }) })),
    { value: DATE, label: t("tokens.on_date") },
    { value: NEVER, label: t("tokens.never") },
  ];
  return h(
    FormDialog,
    { title: t("tokens.create_title"), form, submitLabel: t("tokens.create"), onClose },
    h(Input, {
      ...form.input("name"),
      label: t("tokens.name"),
      hint: t("tokens.name_hint"),
      required: true,
      autoFocus: true,
      autoComplete: "off",
    }),
    h(RoleChoice, { tokens: true, value: form.values.role, onChange: (role) => form.set("role", role) }),
    h(Select, {
      ...form.input("lasts"),
      error: form.input("expire_time").error,
      label: t("tokens.lasts"),
      options,
      hint: ends ? t("tokens.ends", { time: dateTime(ends), zone: timeZone() }) : never,
    }),
    form.values.lasts === DATE &&
      h(Input, { ...form.input("date"), type: "date", label: t("tokens.date"), min: tomorrow(), required: true }),
  );
}

function Made({ token, onClose }) {
  const noted = h(Button, { kind: "primary", onClick: onClose }, t("tokens.noted"));
  const curl = `curl -H 'Authorization: Bearer ${token.secret}' ${location.origin}/api/v1/mailings`;
  return h(
    Dialog,
    { title: t("tokens.made", { name: token.name }), stays: true, wide: true, onClose, actions: noted },
    h(Notice, { tone: "warn" }, t("tokens.made_words")),
    h(Copyable, { text: token.secret, label: t("tokens.secret") }),
    h("p", { className: "muted" }, t("tokens.curl")),
    h(Copyable, { text: curl, label: t("tokens.curl_label") }),
  );
}
