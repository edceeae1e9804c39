// The list of clients: found by a part of the number, by tag, code and time zone; many changed at once.
import { list, may } from "../../api.js";
import { t, zoneName } from "../../i18n.js";
import { ExportButton } from "../../kit/export.js";
import { h, Link, useRef, useState } from "../../kit/lib.js";
import { Pager, useExistingPage } from "../../kit/pager.js";
import { Button, Card, Empty, Loading, Notice, PageTitle, Stale, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { delimiter, relabelled } from "../../kit/sheet.js";
import { readable } from "../../kit/words.js";
import { inLine } from "./attributes.js";
import { BulkBar } from "./bulk.js";
import { KEYS } from "./columns.js";
import { useFacets } from "./facets.js";
import { Filters } from "./filters.js";
import { filterOf, isFiltered, noFilter, useClientQuery } from "./query.js";

const EVERY_MS = 15_000;

/** {rows, total, stale, error, reload}: a page of clients; the last one stays in sight until the next one is there. */
function usePage(query) {
  const asked = { page: query.page, perPage: query.per, order: query.order, filter: filterOf(query) };
  const { data, error, reload } = usePoll(
    (signal) => list("clients", { ...asked, signal }),
    EVERY_MS,
    JSON.stringify(asked),
  );
  const last = useRef(undefined);
  if (data) last.current = data;
  const shown = data ?? last.current;
  return { rows: shown?.data, total: shown?.total, stale: !data, error, reload };
}

export function ClientList() {
  const [query, change] = useClientQuery();
  const facets = useFacets();
  const [chosen, setChosen] = useState(() => new Set());
  const { rows, total, stale, error, reload } = usePage(query);
  const filter = filterOf(query);
  useExistingPage({ rows: stale ? undefined : rows, total, perPage: query.per, change });
  const select = (ids) => setChosen(new Set(ids));
  const refilter = (changes) => {
    if (Object.keys(changes).some((key) => key in noFilter)) select([]); // what is not in sight must not be changed
    change(changes);
  };
  const done = () => {
    select([]);
    reload();
    facets.reload();
  };
  return h(
    "div",
    { className: "page clients" },
    h(PageTitle, null, t("clients.title")),
    h(
      "div",
      { className: "row spread" },
      h(Total, { total, filtered: isFiltered(query) }),
      h(Actions, { filter, total }),
    ),
    h(
      Card,
      null,
      h(Filters, { query, change: refilter, facets }),
      h(Trouble, { error, reload }),
      chosen.size > 0 && h(BulkBar, { chosen: [...chosen], total, filter, facets, select, done }),
      rows ? h(Rows, { rows, chosen, select, query, change: refilter, stale }) : !error && h(Loading),
      rows &&
        total > 0 &&
        h(Pager, {
          page: query.page,
          perPage: query.per,
          total,
          onPage: (page) => change({ page }),
          onPerPage: (per) => change({ per }),
        }),
    ),
  );
}

/** Both files of the clients that a filter finds, see kit/export.js: the import takes either back. */
function filesOf(filter) {
  const path = (format) => `/clients/export?${new URLSearchParams({ format, filter: JSON.stringify(filter) })}`;
  const labels = Object.fromEntries(KEYS.map((key) => [key, t(`resources.clients.fields.${key}`)]));
  return {
    excel: {
      path: path(delimiter() === ";" ? "excel" : "excel_commas"),
      made: (response) => relabelled(response, labels),
    },
    csv: { path: path("csv") },
  };
}

const Total = ({ total, filtered }) =>
  h(
    "p",
    { className: "total", role: "status" },
    total !== undefined && t(filtered ? "clients.found" : "clients.total", { smart_count: total }),
  );

const Actions = ({ filter, total }) =>
  h(
    "div",
    { className: "row" },
    h(ExportButton, {
      name: "clients",
      ...filesOf(filter),
      label: t("clients.export"),
      title: t("clients.export_title", { smart_count: total }),
      words: t(Object.keys(filter).length ? "clients.export_filtered" : "clients.export_all"),
      button: { disabled: !total },
    }),
    may("clients.add") && h(Link, { className: "button", to: "/clients/import" }, t("clients.import")),
    may("clients.add") && h(Link, { className: "button primary", to: "/clients/create" }, t("clients.add")),
  );

function Rows({ rows, chosen, select, query, change, stale }) {
  const choosable = may("clients.edit");
  if (rows.length === 0) return h(None, { query, change });
  const toggle = (id) => select(chosen.has(id) ? [...chosen].filter((each) => each !== id) : [...chosen, id]);
  const allHere = rows.every((row) => chosen.has(row.id));
  const here = new Set(rows.map((row) => row.id));
  const toggleAll = () => select(allHere ? [...chosen].filter((id) => !here.has(id)) : [...chosen, ...here]);
  return h(
    Stale,
    { stale, className: "table-scroll" },
    h(
      "table",
      { className: "table client-table" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          choosable &&
            h(
              "th",
              { className: "tick" },
              h("input", {
                type: "checkbox",
                checked: allHere,
                onChange: toggleAll,
                "aria-label": t("clients.choose_page"),
              }),
            ),
          ["phone_number", "tag"].map((key) => h("th", { key, scope: "col" }, t(`resources.clients.fields.${key}`))),
          ["time_zone", "phone_code"].map((key) =>
            h("th", { key, scope: "col", className: "wide-only" }, t(`resources.clients.fields.${key}`)),
          ),
          h(Added, { order: query.order, change }),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) => h(Row, { key: row.id, row, choosable, chosen: chosen.has(row.id), toggle })),
      ),
    ),
  );
}

/** The one order that lists have: by when clients were added. */
const Added = ({ order, change }) =>
  h(
    "th",
    { scope: "col", className: "wide-only", "aria-sort": order === "ASC" ? "ascending" : "descending" },
    h(
      "button",
      { type: "button", className: "sorter", onClick: () => change({ order: order === "ASC" ? "DESC" : "ASC" }) },
      t("resources.clients.fields.create_time"),
      h("span", { "aria-hidden": true }, order === "ASC" ? " ↑" : " ↓"),
    ),
  );

const Row = ({ row, choosable, chosen, toggle }) =>
  h(
    "tr",
    { className: chosen ? "chosen" : "" },
    choosable &&
      h(
        "td",
        { className: "tick" },
        h("input", {
          type: "checkbox",
          checked: chosen,
          onChange: () => toggle(row.id),
          "aria-label": t("clients.choose", { phone: readable(row.phone_number) }),
        }),
      ),
    h(
      "td",
      { className: "phone-number" },
      h(Link, { to: `/clients/${row.id}/show` }, readable(row.phone_number)),
      h("div", { className: "narrow-only muted" }, zoneName(row.time_zone)),
      h("div", { className: "muted small client-attributes" }, inLine(row.attributes)),
    ),
    h(
      "td",
      null,
      row.tag === "" ? h("span", { className: "muted" }, t("none.tag")) : h("span", { className: "tag" }, row.tag),
    ),
    h("td", { className: "wide-only" }, zoneName(row.time_zone)),
    h("td", { className: "wide-only" }, row.phone_code),
    h("td", { className: "wide-only" }, h(Time, { value: row.create_time })),
  );

const None = ({ query, change }) =>
  isFiltered(query)
    ? h(Notice, { action: h(Button, { onClick: () => change(noFilter) }, t("clients.reset")) }, t("clients.none_found"))
    : h(
        Empty,
        { words: t("clients.none_yet") },
        may("clients.add") && h(Link, { className: "button primary", to: "/clients/import" }, t("clients.import")),
        may("clients.add") && h(Link, { className: "button", to: "/clients/create" }, t("clients.add")),
      );
