// One message: what became of it and why.
import { call } from "../../api.js";
import { number, t } from "../../i18n.js";
import { h, Link, useParams, useState } from "../../kit/lib.js";
import { Card, Loading, Notice, PageTitle, StatusChip, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { Attempts } from "./attempts.js";
import { storyOf } from "./story.js";
import { beginning, causeOf, phone } from "./words.js";

const REFRESH_MS = 2000; // while it is not final

const one = (resource, id, signal) => call(`/${resource}/one`, { query: { id }, signal }).then(({ data }) => data);

async function load(id, signal) {
  const message = await one("messages", id, signal);
  return { message, mailing: await one("mailings", message.mailing_id, signal) };
}

export function MessagePage() {
  const id = decodeURIComponent(useParams().id);
  const [isFinal, setFinal] = useState(false);
  const { data, error, reload } = usePoll(
    async (signal) => {
      const found = await load(id, signal);
      setFinal(found.message.status !== "pending");
      return found;
    },
    isFinal ? 0 : REFRESH_MS,
    id,
  );
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("messages.title", { id })),
    h(Trouble, { error, reload }),
    data ? h(Story, data) : !error && h(Loading),
  );
}

function Story({ message, mailing }) {
  const story = storyOf(message, mailing);
  return [
    h(Notice, { key: "story", tone: story.tone, title: story.title }, story.words),
    h(
      "div",
      { key: "cards", className: "columns" },
      h(
        "div",
        { className: "stack" },
        h(Card, { title: t("messages.facts"), actions: h(StatusChip, { status: message.status }) }, h(Facts, { message, mailing })),
        h(Card, { title: t("field.text") }, h("p", { className: "prewrap" }, mailing.text)),
      ),
      h(Card, { title: t("messages.attempts") }, h(Attempts, { attempts: message.attempt_history })),
    ),
  ];
}

function Facts({ message, mailing }) {
  const client =
    message.client_id === null ? t("messages.client_deleted") : h(Link, { to: `/clients/${message.client_id}/show` }, phone(message.phone_number));
  const rows = [
    ["client_id", client],
    ["mailing_id", h(Link, { to: `/mailings/${mailing.id}/show` }, beginning(mailing.text))],
    ["create_time", h(Time, { value: message.create_time, timeStyle: "medium" })],
    message.sent_time && ["sent_time", h(Time, { value: message.sent_time, timeStyle: "medium" })],
    ["attempts", number(message.attempts)],
    message.status === "pending" && message.next_attempt_time && ["next_attempt_time", h(Time, { value: message.next_attempt_time, timeStyle: "medium" })],
    message.last_error && ["last_error", causeOf(message.last_error)],
  ].filter(Boolean);
  return h(
    "dl",
    { className: "facts" },
    rows.map(([name, value]) => h("div", { key: name }, h("dt", null, t(`resources.messages.fields.${name}`)), h("dd", null, value))),
  );
}
