// Each webhook with its switch, its last deliveries and what came of them.
import { rest } from "../../api.js";
import { t } from "../../i18n.js";
import { h, useNotify, useState } from "../../kit/lib.js";
import { Button, Card, Chip, ConfirmButton, Empty, Loading, PageTitle, Table, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { WebhookDialog } from "./dialog.js";
import { eventWords } from "./events.js";

const EVERY_MS = 5_000;
const SHOWN = 8;
const TONES = { pending: "busy", delivered: "good", given_up: "bad" };

async function load(signal) {
  const { webhooks } = await rest("/webhooks?page_size=100", { signal });
  const pages = webhooks.map(({ id }) => rest(`/webhooks/${id}/deliveries?page_size=${SHOWN}`, { signal }));
  const deliveries = await Promise.all(pages);
  return webhooks.map((webhook, place) => ({ ...webhook, deliveries: deliveries[place].deliveries }));
}

export function WebhookList() {
  const [adding, setAdding] = useState(false);
  const { data, error, reload } = usePoll(load, EVERY_MS);
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("webhooks.title")),
    h("p", { className: "list-intro" }, t("webhooks.intro")),
    h(
      "div",
      { className: "row" },
      h(Button, { kind: "primary", onClick: () => setAdding(true) }, t("webhooks.add")),
      adding && h(WebhookDialog, { onMade: reload, onClose: () => setAdding(false) }),
    ),
    h(Trouble, { error, reload }),
    !data && !error && h(Loading),
    data?.length === 0 && h(Card, null, h(Empty, { words: t("webhooks.none") })),
    data?.map((webhook) => h(Webhook, { key: webhook.id, webhook, reload })),
  );
}

function Webhook({ webhook, reload }) {
  const { id, active, events, url, deliveries } = webhook;
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const notify = useNotify();
  const act = async (path, options, words) => {
    setBusy(true);
    try {
      await rest(`/webhooks/${id}${path}`, options);
      setError(null);
      if (words) notify(words, { type: "success" });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
      reload();
    }
  };
  const change = { method: "PATCH", body: { active: !active } };
  const actions = h(
    "div",
    { className: "row" },
    h(
      Button,
      { disabled: !active, busy, onClick: () => act("/test", { method: "POST" }, t("webhooks.tested")) },
      t("webhooks.test"),
    ),
    h(Button, { busy, onClick: () => act("", change) }, t(active ? "webhooks.switch_off" : "webhooks.switch_on")),
    h(
      ConfirmButton,
      {
        label: t("webhooks.delete"),
        kind: "danger",
        question: t("webhooks.delete_question"),
        onConfirm: async () => {
          await rest(`/webhooks/${id}`, { method: "DELETE" });
          reload();
        },
      },
      h("p", null, t("webhooks.delete_words", { url })),
    ),
  );
  return h(
    Card,
    { title: url, actions },
    h(
      "div",
      { className: "row" },
      h(Chip, { tone: active ? "good" : "warn" }, t(active ? "webhooks.on" : "webhooks.off")),
      webhook.pending_count > 0 &&
        h(Chip, { tone: "busy" }, t("webhooks.waiting", { smart_count: webhook.pending_count })),
      webhook.given_up_count > 0 &&
        h(Chip, { tone: "bad" }, t("webhooks.given_up", { smart_count: webhook.given_up_count })),
    ),
    h("p", { className: "muted" }, events.map(eventWords).join(" · ")),
    h(Trouble, { error }),
    h(Deliveries, { deliveries }),
  );
}

const Deliveries = ({ deliveries }) =>
  h(Table, {
    label: t("webhooks.deliveries"),
    rows: deliveries,
    empty: t("webhooks.nothing_told"),
    columns: [
      { key: "event_type", label: t("webhooks.event"), render: (row) => h(EventName, { type: row.event_type }) },
      {
        key: "state",
        label: t("webhooks.state"),
        render: (row) => h(Chip, { tone: TONES[row.state] }, t(`webhooks.state.${row.state}`)),
      },
      { key: "attempts", label: t("webhooks.attempts"), numeric: true },
      {
        key: "last_attempt_time",
        label: t("webhooks.last"),
        render: (row) => (row.last_attempt_time ? h(Time, { value: row.last_attempt_time }) : "—"),
      },
      { key: "answer", label: t("webhooks.answer"), render: answerOf },
    ],
  });

/** Wide enough for its words on a phone, where the table is scrolled. */
const EventName = ({ type }) => h("span", { style: { display: "inline-block", minWidth: "9rem" } }, eventWords(type));

const answerOf = ({ http_status: status, answer }) =>
  [status ?? "", answer.slice(0, 120)].filter((each) => each !== "").join(" ") || "—";
