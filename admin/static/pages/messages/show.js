// One message: what became of it and why.
import { call, one, rest } from "../../api.js";
import { money, number, t } from "../../i18n.js";
import { h, Link, useParams, useState } from "../../kit/lib.js";
import { Card, Chip, Facts, Loading, Notice, PageTitle, StatusChip, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { readable, titleOf } from "../../kit/words.js";
import { StopListed } from "../stop_list/parts.js";
import { Attempts } from "./attempts.js";
import { Receipt } from "./receipt.js";
import { storyOf } from "./story.js";
import { causeOf } from "./words.js";

const REFRESH_MS = 2000; // while it is not final

async function load(id, signal) {
  const message = await one("messages", id, signal);
  const [mailing, engine, stats] = await Promise.all([
    one("mailings", message.mailing_id, signal),
    rest("/engine", { signal }),
    call("/mailings/stats", { query: { id: message.mailing_id }, signal }),
  ]);
  return { message, mailing, providers: engine.providers, latest: stats.text_versions.at(-1)?.version };
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

function Story({ message, mailing, providers, latest }) {
  const story = storyOf(message, mailing);
  return [
    h(Notice, { key: "story", tone: story.tone, title: story.title }, story.words),
    h(
      "div",
      { key: "cards", className: "columns" },
      h(
        "div",
        { className: "stack" },
        h(
          Card,
          {
            title: t("messages.facts"),
            actions: [
              message.phone_number && h(StopListed, { key: "stop", phone: message.phone_number }),
              h(StatusChip, { key: "status", status: message.status }),
            ],
          },
          h(Known, { message, mailing }),
        ),
        h(Words, { message, mailing, latest }),
      ),
      h(
        "div",
        { className: "stack" },
        h(Receipt, { message }),
        h(Card, { title: t("messages.attempts") }, h(Attempts, { message, isOneOfSeveral: providers.length > 1 })),
      ),
    ),
  ];
}

/** The text as it went out, whatever the mailing's text is by now; `latest`: the version of that one. */
function Words({ message, mailing, latest }) {
  const { text, text_version: version, status } = message;
  // A personal text is never the mailing's, which has placeholders where this one has a name.
  const changed = status === "sent" && text !== mailing.text && version !== (latest ?? null);
  return h(
    Card,
    { title: t("field.text"), actions: version !== null && h(Chip, null, t("messages.version", { version })) },
    h("p", { className: "prewrap" }, text),
    changed && h("p", { className: "muted small" }, t("messages.changed_since")),
  );
}

function Known({ message, mailing }) {
  const client =
    message.client_id === null
      ? t("messages.client_deleted")
      : h(Link, { to: `/clients/${message.client_id}/show` }, readable(message.phone_number));
  const rows = [
    ["client_id", client],
    ["mailing_id", h(Link, { to: `/mailings/${mailing.id}/show` }, titleOf(mailing))],
    ["create_time", h(Time, { value: message.create_time, timeStyle: "medium" })],
    message.sent_time && ["sent_time", h(Time, { value: message.sent_time, timeStyle: "medium" })],
    message.status === "not_sent" && ["final_time", h(Time, { value: message.final_time, timeStyle: "medium" })],
    message.provider && ["provider", message.provider],
    message.provider_message_id && ["provider_message_id", message.provider_message_id],
    message.cost > 0 && ["cost", money(message.cost)],
    ["attempts", number(message.attempts)],
    message.status === "pending" &&
      message.next_attempt_time && [
        message.attempts > 0 ? "next_attempt_time" : "first_attempt_time",
        h(Time, { value: message.next_attempt_time, timeStyle: "medium" }),
      ],
    message.last_error && ["last_error", causeOf(message.last_error)],
  ];
  const labelled = rows
    .filter(Boolean)
    .map(([key, value]) => ({ key, label: t(`resources.messages.fields.${key}`), value }));
  return h(Facts, { rows: labelled });
}
