// The messages of one client.
import { call, list } from "../../api.js";
import { number, t } from "../../i18n.js";
import { Select } from "../../kit/fields.js";
import { h, Link, useEffect, useState } from "../../kit/lib.js";
import { Pager } from "../../kit/pager.js";
import { Card, Loading, StatusChip, Table, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { titleOf } from "../../kit/words.js";

const EVERY_MS = 5000;
const STATUSES = ["pending", "sent", "not_sent"];
const TITLE_MAX = 80;
const START = { page: 1, per: 25, status: "" };

export function ClientMessages({ clientId }) {
  const [asked, setAsked] = useState(START);
  const put = (changes) => setAsked((old) => ({ ...old, page: 1, ...changes }));
  const { data, error, reload } = usePoll(
    (signal) => {
      const filter = { client_id: clientId, ...(asked.status && { status: asked.status }) };
      return list("messages", { page: asked.page, perPage: asked.per, filter, signal });
    },
    EVERY_MS,
    JSON.stringify([clientId, asked]),
  );
  const titles = useTitles(data?.data);
  const statuses = [
    { value: "", label: t("clients.messages_all") },
    ...STATUSES.map((value) => ({ value, label: t(`status.${value}`) })),
  ];
  return h(
    Card,
    {
      className: "client-messages",
      title: data ? t("clients.messages_count", { smart_count: data.total }) : t("clients.messages"),
      actions: h(Select, {
        label: t("clients.messages_status"),
        className: "inline",
        value: asked.status,
        options: statuses,
        onChange: (status) => put({ status }),
      }),
    },
    h(Trouble, { error, reload }),
    data
      ? h(Table, {
          columns: columns(titles),
          rows: data.data,
          empty: t(asked.status ? "clients.messages_none_such" : "clients.messages_none"),
        })
      : !error && h(Loading),
    data &&
      data.total > asked.per &&
      h(Pager, {
        page: asked.page,
        perPage: asked.per,
        total: data.total,
        onPage: (page) => put({ page }),
        onPerPage: (per) => put({ per }),
      }),
  );
}

const columns = (titles) => [
  { key: "status", label: t("clients.message_status"), render: (row) => h(Outcome, { row }) },
  {
    key: "mailing_id",
    label: t("clients.message_mailing"),
    render: (row) =>
      h(
        Link,
        { className: "client-excerpt", to: `/mailings/${row.mailing_id}/show` },
        titles[row.mailing_id] ?? t("clients.message_number", { id: String(row.mailing_id) }),
      ),
  },
  {
    key: "id",
    label: t("clients.message"),
    render: (row) =>
      h(
        Link,
        { className: "nowrap", to: `/messages/${row.id}/show` },
        t("clients.message_number", { id: String(row.id) }),
      ),
  },
  { key: "attempts", label: t("clients.message_attempts"), numeric: true, render: (row) => number(row.attempts) },
  { key: "final_time", label: t("clients.message_final"), render: (row) => h(Time, { value: row.final_time }) },
];

const Outcome = ({ row }) =>
  h(
    "span",
    { className: "row" },
    h(StatusChip, { status: row.status }),
    row.reason && h("span", { className: "muted" }, t(`reason.${row.reason}`)),
  );

/** {mailing id: what it is called}, of the mailings that the messages are of. */
function useTitles(messages) {
  const [titles, setTitles] = useState({});
  const wanted = [...new Set((messages ?? []).map((each) => String(each.mailing_id)))].filter((id) => !(id in titles));
  useEffect(() => {
    if (wanted.length === 0) return;
    const put = (found) => setTitles((old) => ({ ...old, ...found }));
    call("/mailings", { query: { ids: JSON.stringify(wanted) } }).then(
      ({ data }) => put(Object.fromEntries(data.map((each) => [each.id, titleOf(each, TITLE_MAX)]))),
      () => {}, // their numbers are shown
    );
  }, [wanted.join()]);
  return titles;
}
