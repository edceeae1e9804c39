// A client: their data, and the messages that they got or will get.
import { dataProvider, isAdmin, list, may, one, rest } from "../../api.js";
import { number, t, zoneName } from "../../i18n.js";
import { h, Link, useNavigate, useNotify, useParams } from "../../kit/lib.js";
import { Card, Chip, ConfirmButton, Facts, Loading, PageTitle, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { readable } from "../../kit/words.js";
import { StopListed } from "../stop_list/parts.js";
import { KEYS } from "./columns.js";
import { ClientMessages } from "./messages.js";

const EVERY_MS = 15_000;

export function ClientShow() {
  const { id } = useParams();
  const { data: client, error, reload } = usePoll((signal) => one("clients", id, signal), EVERY_MS, id);
  const title = client ? readable(client.phone_number) : t("clients.title");
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, title),
    h(Trouble, { error, reload: error?.status === 404 ? undefined : reload }),
    error?.status === 404 && h("p", null, h(Link, { to: "/clients" }, t("clients.back"))),
    client ? h(Known, { client }) : !error && h(Loading),
    client && h(ClientMessages, { clientId: id }),
  );
}

const Known = ({ client }) =>
  h(
    Card,
    {
      title: readable(client.phone_number),
      className: "client-head",
      actions: [
        h(StopListed, { key: "stop", phone: client.phone_number }),
        may("clients.edit") &&
          h(Link, { key: "edit", className: "button", to: `/clients/${client.id}` }, t("clients.edit")),
        may("clients.delete") && h(DeleteButton, { key: "delete", client }),
        isAdmin() && h(EraseButton, { key: "erase", client }),
      ],
    },
    h(Facts, {
      wide: true,
      rows: [
        ...KEYS.slice(1).map((key) => fact(key, h(Value, { name: key, value: client[key] }))),
        ...Object.entries(client.attributes).map(([key, value]) => ({
          key: `a ${key}`,
          label: key,
          value: shown(value),
        })),
        fact("create_time", h(Time, { value: client.create_time })),
        client.update_time !== client.create_time && fact("update_time", h(Time, { value: client.update_time })),
        fact("id", client.id),
      ],
    }),
  );

const fact = (key, value) => ({ key, label: t(`resources.clients.fields.${key}`), value });

/** An attribute's value: a text may be of several lines, and long. */
const shown = (value) =>
  h("span", { className: "prewrap" }, typeof value === "boolean" ? t(`yes.${value}`) : String(value));

/** A value as it looks best. */
function Value({ name, value }) {
  if (value === "") return h("span", { className: "muted" }, t(`none.${name}`));
  if (name === "tag") return h(Chip, null, value);
  return name === "time_zone" ? h(Zone, { zone: value }) : value;
}

/** The zone, and what time it is there: what a text in the night would be. */
function Zone({ zone }) {
  const now = new Date().toLocaleTimeString("ru", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  return h(
    "span",
    null,
    zoneName(zone),
    " ",
    h("span", { className: "muted" }, t("clients.local_time", { time: now })),
  );
}

function DeleteButton({ client }) {
  const navigate = useNavigate();
  const notify = useNotify();
  const remove = async () => {
    await dataProvider.delete("clients", { id: client.id });
    notify(t("clients.deleted_one", { phone: readable(client.phone_number) }), { type: "success" });
    navigate("/clients");
  };
  return h(
    ConfirmButton,
    {
      kind: "danger",
      label: t("clients.delete"),
      question: t("clients.delete_one", { phone: readable(client.phone_number) }),
      onConfirm: remove,
    },
    h(Consequences, { clientId: client.id }),
  );
}

/** On demand: the client goes, and no import brings texts to the number again. */
function EraseButton({ client }) {
  const navigate = useNavigate();
  const notify = useNotify();
  const erase = async () => {
    const erased = await rest(`/clients/${client.id}/erase`, { method: "POST", body: { suppress: true } });
    const counts = { removed: number(erased.messages_removed), kept: number(erased.messages_kept) };
    notify(t("stop.erased", counts), { type: "success" });
    navigate("/clients");
  };
  return h(
    ConfirmButton,
    {
      kind: "danger",
      label: t("stop.erase"),
      question: t("stop.erase_question", { phone: readable(client.phone_number) }),
      onConfirm: erase,
    },
    h("p", null, t("stop.erase_words")),
  );
}

/** What goes and what stays, in numbers. */
function Consequences({ clientId }) {
  const count = async (filter, signal) =>
    (await list("messages", { perPage: 1, filter: { client_id: clientId, ...filter }, signal })).total;
  const { data } = usePoll(async (signal) => {
    const [all, waiting] = await Promise.all([count({}, signal), count({ status: "pending" }, signal)]);
    return { waiting, past: all - waiting };
  }, 0);
  return h(
    "ul",
    { className: "client-consequences" },
    h("li", null, data ? counted("waiting", data.waiting) : t("loading")),
    data && h("li", null, counted("past", data.past)),
    h("li", null, t("clients.delete_for_good")),
  );
}

const counted = (key, count) =>
  count === 0 ? t(`clients.delete_${key}_none`) : t(`clients.delete_${key}`, { smart_count: count });
