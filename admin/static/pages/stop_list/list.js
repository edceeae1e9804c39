// The list: found by a part of the number and by the reason; numbers go on it one at a time or by a file.
import { list, may } from "../../api.js";
import { t } from "../../i18n.js";
import { ExportButton } from "../../kit/export.js";
import { Select } from "../../kit/fields.js";
import { h, useRef, useState } from "../../kit/lib.js";
import { Pager, useExistingPage } from "../../kit/pager.js";
import { Button, Card, Chip, Empty, Loading, Notice, PageTitle, Stale, Time, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { useQuery } from "../../kit/query.js";
import { Search } from "../../kit/search.js";
import { tableOf, timeCell, timeLabel } from "../../kit/sheet.js";
import { readable } from "../../kit/words.js";
import { searched } from "../clients/phone.js";
import { AddDialog } from "./add.js";
import { ImportDialog } from "./import.js";
import { REASONS, reasonWords, sourceWords, TakeOff } from "./parts.js";

const EVERY_MS = 15_000;
const NONE = { q: "", reason: "" };
const DEFAULTS = { ...NONE, page: 1, per: 25 };
const isFiltered = (query) => query.q !== "" || query.reason !== "";

/** Whether it is looked for in the notes: it has letters, which no number has. */
const isNote = (typed) => /\p{L}/u.test(typed);

function filterOf({ q, reason }) {
  const { part } = searched(q);
  const found = isNote(q) ? { search: q.trim() } : part && { phone_contains: part };
  return { ...found, ...(reason && { reason }) };
}

/** {rows, total, stale, error, reload}; the last page stays in sight until the next one is there. */
function usePage(query) {
  const asked = { page: query.page, perPage: query.per, filter: filterOf(query) };
  const { data, error, reload } = usePoll(
    (signal) => list("suppressions", { ...asked, signal }),
    EVERY_MS,
    JSON.stringify(asked),
  );
  const last = useRef(undefined);
  if (data) last.current = data;
  const shown = data ?? last.current;
  return { rows: shown?.data, total: shown?.total, stale: !data, error, reload };
}

export function StopList() {
  const [query, change] = useQuery(DEFAULTS);
  const { rows, total, stale, error, reload } = usePage(query);
  useExistingPage({ rows: stale ? undefined : rows, total, perPage: query.per, change });
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("stop.title")),
    h("p", { className: "list-intro" }, t("stop.intro")),
    h(
      "div",
      { className: "row spread" },
      h(
        "p",
        { className: "total", role: "status" },
        total !== undefined && t(isFiltered(query) ? "stop.found" : "stop.total", { smart_count: total }),
      ),
      h(Actions, { total, reload }),
    ),
    h(
      Card,
      null,
      h(Filters, { query, change }),
      h(Trouble, { error, reload }),
      rows ? h(Rows, { rows, query, change, stale, reload }) : !error && h(Loading),
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

/** What an entry says, by its columns' names in the file, which an import takes back. */
const columns = () => [
  { label: t("field.phone_number"), cell: (entry) => entry.phone_number },
  { label: t("stop.reason"), cell: (entry) => reasonWords(entry.reason) },
  { label: t("stop.note"), cell: (entry) => entry.note },
  { label: t("stop.file.source"), cell: (entry) => entry.source },
  { label: timeLabel(t("stop.added")), cell: (entry) => timeCell(entry.create_time) },
];

const PATH = "/api/v1/suppressions/export";
const FILES = {
  excel: { path: PATH, accept: "application/x-ndjson", made: (response) => tableOf(response, columns()) },
  csv: { path: PATH },
};

function Actions({ total, reload }) {
  const [open, setOpen] = useState(null);
  const close = () => setOpen(null);
  return h(
    "div",
    { className: "row" },
    h(ExportButton, {
      name: "stop-list",
      ...FILES,
      label: t("clients.export"),
      title: t("stop.export_title"),
      words: t("stop.export_words"),
      button: { disabled: !total },
    }),
    may("suppressions.add") && h(Button, { onClick: () => setOpen("import") }, t("clients.import")),
    may("suppressions.add") && h(Button, { kind: "primary", onClick: () => setOpen("add") }, t("stop.add")),
    open === "add" && h(AddDialog, { onAdded: reload, onClose: close }),
    open === "import" && h(ImportDialog, { onDone: reload, onClose: close }),
  );
}

function Filters({ query, change }) {
  const hintOf = (typed) => {
    const { problem } = isNote(typed) ? {} : searched(typed);
    return problem && t(`clients.search.${problem}`);
  };
  return h(
    "div",
    { className: "client-filters", role: "search", "aria-label": t("stop.filters") },
    h(Search, {
      label: t("stop.search"),
      placeholder: "+7 916 123…",
      value: query.q,
      onSearch: (q) => change({ q }),
      hintOf,
    }),
    h(Select, {
      label: t("stop.reason"),
      value: query.reason,
      onChange: (reason) => change({ reason }),
      options: [
        { value: "", label: t("stop.any") },
        ...REASONS.map((reason) => ({ value: reason, label: reasonWords(reason) })),
      ],
    }),
    isFiltered(query) &&
      h(Button, { className: "client-filters-reset", onClick: () => change(NONE) }, t("clients.reset")),
  );
}

function Rows({ rows, query, change, stale, reload }) {
  if (rows.length === 0)
    return isFiltered(query)
      ? h(Notice, { action: h(Button, { onClick: () => change(NONE) }, t("clients.reset")) }, t("stop.none_found"))
      : h(Empty, { words: t("stop.none_yet") });
  return h(
    Stale,
    { stale, className: "table-scroll" },
    h(
      "table",
      { className: "table stop-table" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, t("field.phone_number")),
          h("th", { scope: "col" }, t("stop.reason")),
          ["note", "source", "added"].map((key) =>
            h("th", { key, scope: "col", className: "wide-only" }, t(`stop.${key}`)),
          ),
          may("suppressions.delete") && h("th", { scope: "col" }, t("stop.take_off")),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) => h(Row, { key: row.id, row, reload })),
      ),
    ),
  );
}

const Row = ({ row, reload }) =>
  h(
    "tr",
    null,
    h("td", { className: "phone-number" }, readable(row.phone_number)),
    h(
      "td",
      null,
      h(Chip, { tone: row.reason === "complaint" ? "bad" : "quiet" }, reasonWords(row.reason)),
      row.note && h("div", { className: "narrow-only muted small" }, row.note),
    ),
    h("td", { className: "wide-only" }, row.note || h("span", { className: "muted" }, "—")),
    h("td", { className: "wide-only" }, sourceWords(row.source)),
    h("td", { className: "wide-only" }, h(Time, { value: row.create_time })),
    may("suppressions.delete") && h("td", null, h(TakeOff, { phone: row.phone_number, onDone: reload })),
  );
