// The list of messages, by mailing, client, status, reason and what receipts say.
import { known, number, t } from "../../i18n.js";
import { asked, column, own } from "../../kit/grid.js";
import { h, Link, RA, useLocation } from "../../kit/lib.js";
import { DeliveryChip, StatusChip, Time } from "../../kit/parts.js";
import { REASONS, readable, titleOf } from "../../kit/words.js";
import { ClientInput } from "./client_input.js";
import { MailingInput } from "./mailing_input.js";
import { These } from "./these.js";

const { Datagrid, List, ReferenceField, SelectInput, WithRecord } = RA;
const STATUSES = ["pending", "sent", "not_sent"];
const DELIVERIES = ["delivered", "undelivered", "none"];
const REFRESH_MS = 10_000;
const CHOICE = { minWidth: 190 };

const choices = (ids, prefix) => ids.map((id) => ({ id, name: t(`${prefix}.${id}`) }));

const filters = () => [
  h(MailingInput, { key: "mailing_id", source: "mailing_id", alwaysOn: true }),
  h(ClientInput, { key: "client_id", source: "client_id", alwaysOn: true }),
  h(SelectInput, {
    key: "status",
    source: "status",
    alwaysOn: true,
    translateChoice: false,
    sx: CHOICE,
    choices: choices(STATUSES, "status"),
  }),
  h(SelectInput, {
    key: "reason",
    source: "reason",
    alwaysOn: true,
    translateChoice: false,
    sx: CHOICE,
    choices: choices(REASONS, "reason"),
  }),
  h(SelectInput, {
    key: "delivery",
    source: "delivery",
    alwaysOn: true,
    translateChoice: false,
    sx: CHOICE,
    choices: choices(DELIVERIES, "delivery"),
  }),
];

const Mailing = () =>
  h(
    ReferenceField,
    { source: "mailing_id", reference: "mailings", link: "show" },
    h(WithRecord, {
      render: (mailing) => h("span", { className: "shortened", title: mailing.text }, titleOf(mailing)),
    }),
  );

const Client = ({ message }) =>
  h(
    "div",
    null,
    message.client_id === null
      ? h("span", { className: "muted" }, t("messages.client_deleted"))
      : h(
          Link,
          { to: `/clients/${message.client_id}/show`, className: "nowrap", ...own },
          readable(message.phone_number),
        ),
    h("div", { className: "narrow-only" }, h(Mailing)),
  );

const Status = ({ message }) =>
  h(
    "span",
    null,
    h(StatusChip, { status: message.status }),
    message.reason && h("div", { className: "muted small" }, known(`reason.${message.reason}`) ?? message.reason),
    message.delivery && h("div", { className: "narrow-only" }, t(`delivery.${message.delivery.status}`)),
  );

const Delivery = ({ message }) =>
  message.delivery ? h(DeliveryChip, { status: message.delivery.status }) : h("span", { className: "muted" }, "—");

const When = ({ message }) => {
  if (message.final_time) return h(Time, { value: message.final_time });
  if (message.status !== "pending" || !message.next_attempt_time) return h("span", { className: "muted" }, "—");
  return h(
    "span",
    null,
    h("span", { className: "muted small" }, t(message.attempts > 0 ? "messages.next" : "messages.first")),
    " ",
    h(Time, { value: message.next_attempt_time }),
  );
};

/** The filter as the address has it, where react-admin keeps it. */
function Actions() {
  const { search } = useLocation();
  return h(These, { found: filterIn(search) });
}

function filterIn(search) {
  try {
    return JSON.parse(new URLSearchParams(search).get("filter")) ?? {};
  } catch {
    return {}; // somebody has written the address by hand
  }
}

export const MessageList = () =>
  h(
    List,
    {
      filters: filters(),
      actions: h(Actions),
      exporter: false,
      storeKey: false, // what the address does not say is not filtered: no filter of the last visit
      empty: false,
      perPage: 25,
      sort: { field: "id", order: "DESC" },
      queryOptions: asked(REFRESH_MS),
    },
    h(
      Datagrid,
      { bulkActionButtons: false, rowClick: "show", empty: h("p", { className: "loading" }, t("messages.none")) },
      column("id", (message) => h(Link, { to: `/messages/${message.id}/show`, ...own }, String(message.id)), {
        wide: true,
        numeric: true,
      }),
      column("mailing_id", () => h(Mailing), { wide: true }),
      column("client_id", (message) => h(Client, { message })),
      column("status", (message) => h(Status, { message })),
      column("delivery", (message) => h(Delivery, { message }), { wide: true }),
      column("attempts", (message) => number(message.attempts), { wide: true, numeric: true }),
      column("when", (message) => h(When, { message }), { wide: true }),
    ),
  );
