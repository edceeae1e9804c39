// Making a webhook: the form, and then its secret, the only time it can be seen.
import { randomKey, rest } from "../../api.js";
import { t } from "../../i18n.js";
import { Input, Tick } from "../../kit/fields.js";
import { FormDialog, useForm } from "../../kit/form.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Copyable, Dialog, Notice } from "../../kit/parts.js";
import { EVENTS, eventWords } from "./events.js";

const FIRST = ["mailing.started", "mailing.finished", "mailing.ended"];

export function WebhookDialog({ onMade, onClose }) {
  const [made, setMade] = useState(null);
  const [key] = useState(randomKey);
  const create = async ({ url, events }) => {
    const body = { url: url.trim(), events };
    setMade(await rest("/webhooks", { method: "POST", body, headers: { "Idempotency-Key": key } }));
    onMade();
  };
  return made ? h(Made, { webhook: made, onClose }) : h(WebhookForm, { create, onClose });
}

function WebhookForm({ create, onClose }) {
  const form = useForm({ url: "", events: FIRST }, create);
  const { events } = form.values;
  const tick = (event, isOn) =>
    form.set(
      "events",
      EVENTS.filter((each) => (each === event ? isOn : events.includes(each))),
    );
  const { error } = form.input("events");
  return h(
    FormDialog,
    { title: t("webhooks.add_title"), form, submitLabel: t("webhooks.add"), onClose },
    h(Input, {
      ...form.input("url"),
      label: t("webhooks.url"),
      hint: t("webhooks.url_hint"),
      placeholder: "https://",
      required: true,
      autoFocus: true,
      autoComplete: "off",
      inputMode: "url",
    }),
    h(
      "fieldset",
      { className: "choice" },
      h("legend", null, t("webhooks.what")),
      EVENTS.map((event) =>
        h(Tick, {
          key: event,
          label: eventWords(event),
          checked: events.includes(event),
          onChange: (isOn) => tick(event, isOn),
        }),
      ),
      error && h("p", { className: "field-words", role: "alert" }, error),
    ),
  );
}

function Made({ webhook, onClose }) {
  const noted = h(Button, { kind: "primary", onClick: onClose }, t("webhooks.noted"));
  return h(
    Dialog,
    { title: t("webhooks.made"), stays: true, wide: true, onClose, actions: noted },
    h(Notice, { tone: "warn" }, t("webhooks.made_words")),
    h(Copyable, { text: webhook.secret, label: t("webhooks.secret") }),
  );
}
