// Who did what, when and from where.
import { list } from "../api.js";
import { known, t } from "../i18n.js";
import { Fragment, h, Link, useId, useState } from "../kit/lib.js";
import { Pager, useExistingPage } from "../kit/pager.js";
import { Button, Card, Facts, Loading, PageTitle, Time, Trouble } from "../kit/parts.js";
import { usePoll } from "../kit/poll.js";
import { Scroll } from "../kit/scroll.js";
import { Filters, filterOf, useAuditQuery } from "./audit/filters.js";
import { actorOf, objectOf, placeOf, rowsOf } from "./audit/words.js";

const REFRESH_MS = 10_000;
const COLUMNS = ["time", "actor", "action", "object_type", "peer"];
const WIDE_ONLY = ["actor", "object_type", "peer"];
const SUMMARY_ROWS = 2;

function AuditPage() {
  const [query, change] = useAuditQuery();
  const asked = { page: query.page, perPage: query.per, filter: filterOf(query) };
  const { data, error, reload } = usePoll(
    (signal) => list("audit", { ...asked, signal }),
    REFRESH_MS,
    JSON.stringify(asked),
  );
  useExistingPage({ rows: data?.data, total: data?.total, perPage: query.per, change });
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("resources.audit.name")),
    h(
      Card,
      null,
      h(Filters, { query, change }),
      h(Trouble, { error, reload }),
      data ? h(Events, { events: data.data }) : !error && h(Loading),
      data?.total > 0 &&
        h(Pager, {
          page: query.page,
          perPage: query.per,
          total: data.total,
          onPage: (page) => change({ page }),
          onPerPage: (per) => change({ per }),
        }),
    ),
  );
}

function Events({ events }) {
  if (events.length === 0) return h("p", { className: "loading" }, t("audit.none"));
  return h(
    Scroll,
    { label: t("resources.audit.name") },
    h(
      "table",
      { className: "table audit" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          COLUMNS.map((key) =>
            h(
              "th",
              { key, scope: "col", className: WIDE_ONLY.includes(key) ? "wide-only" : "" },
              t(`resources.audit.fields.${key}`),
            ),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        events.map((event) => h(Event, { key: event.id, event })),
      ),
    ),
  );
}

/** One event; a button opens what else it notes, below it. */
function Event({ event }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const rows = rowsOf(event.detail, event.object_type);
  const cells = {
    time: h(Time, { value: event.time, timeStyle: "medium" }),
    actor: h(Who, { event }),
    action: h(What, { event, rows, open, id, onToggle: () => setOpen(!open) }),
    object_type: h(About, { event }),
    peer: h("span", { className: "muted", title: event.peer }, placeOf(event.peer)),
  };
  return h(
    Fragment,
    null,
    h(
      "tr",
      null,
      COLUMNS.map((key) => h("td", { key, className: WIDE_ONLY.includes(key) ? "wide-only" : "" }, cells[key])),
    ),
    open &&
      h(
        "tr",
        { id },
        h("td", { colSpan: COLUMNS.length }, h(Facts, { rows: rows.map(shown), label: t("audit.details") })),
      ),
  );
}

const shown = (row) => ({ ...row, value: h("span", { className: "prewrap" }, row.value) });

const About = ({ event }) => {
  const { words, to } = objectOf(event);
  return to ? h(Link, { to }, words) : h("span", null, words);
};

const Who = ({ event }) => {
  const { words, kind } = actorOf(event);
  return h("div", null, h("strong", null, words), kind && h("div", { className: "muted small" }, kind));
};

/** What was done; of a change what has become another, in short. */
const What = ({ event, rows, open, id, onToggle }) =>
  h(
    "div",
    null,
    known(`audit.action.${event.action}`) ?? event.action,
    !open &&
      rows
        .filter((row) => row.isChange)
        .slice(0, SUMMARY_ROWS)
        .map((row) => h("div", { key: row.key, className: "muted small audit-change" }, `${row.label}: ${row.value}`)),
    h("div", { className: "narrow-only" }, h(About, { event })),
    h("div", { className: "narrow-only" }, h(Who, { event })),
    rows.length > 0 &&
      h(
        Button,
        { className: "small", "aria-expanded": open, "aria-controls": open ? id : undefined, onClick: onToggle },
        t(open ? "audit.less" : "audit.details"),
      ),
  );

export default () => ({ name: "audit", list: AuditPage });
