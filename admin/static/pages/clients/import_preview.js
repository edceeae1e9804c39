// How the server reads a file, before anything is stored.
import { sentence } from "../../api.js";
import { number, said, t, zoneName } from "../../i18n.js";
import { Fragment, h } from "../../kit/lib.js";
import { Button, Card, Chip, Facts, Notice } from "../../kit/parts.js";
import { readable } from "../../kit/words.js";
import { KEYS } from "./columns.js";
import { attributesOf, ColumnChoice, fieldName, hasPhones } from "./import_columns.js";
import { ENCODINGS, EncodingChoice } from "./import_encoding.js";
import { OpenMailings } from "./import_open.js";
import { Workbook } from "./import_sheet.js";
import { isAsked, MINE, TimeZones } from "./import_zones.js";

const TONES = { created: "good", updated: "busy", unchanged: "quiet", repeat: "warn", bad: "bad" };
const KIB = 1024;
/** Told by the number where no column says it. */
const DERIVED = ["phone_code"];

/** A file's length as people say it. */
function size(bytes) {
  const units = ["unit.byte", "unit.kib", "unit.mib", "unit.gib"];
  const step = bytes > 0 ? Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(KIB))) : 0;
  return t(units[step], { value: number(bytes / KIB ** step) });
}

/** Whether all rows are shown. */
const isAllOf = (preview) => preview.is_whole && preview.rows.length === preview.estimated_rows;
const badOf = (preview) => preview.rows.filter((each) => each.outcome === "bad").length;

const repeatsOf = (preview) => preview.rows.filter((each) => each.outcome === "repeat").length;

/**
 * {count, words}: how many will be stored, and how the button says so. Of a file that is not shown whole nobody knows how
 * many rows are bad or of one client: so many are the most. `what`: of clients, or rows that are none.
 */
export function roughlyStored(preview, what = "clients") {
  const most = preview.estimated_rows - badOf(preview) - repeatsOf(preview);
  if (isAllOf(preview)) return { count: most, words: what };
  return { count: most, words: preview.is_whole ? `${what}_most` : `${what}_about` };
}

/** As `roughlyStored`; exact, once all rows were looked at, unless these are too many. */
function storedOf({ preview, check, fields }) {
  if (preview.format !== "ndjson" && !hasPhones(fields)) return { count: 0 };
  if (isAllOf(preview) || !check) return roughlyStored(preview);
  if (check.client_count > 0) return { count: check.client_count, words: "clients" };
  return { count: check.created + check.updated + check.unchanged, words: "clients_most" };
}

/** What the button says that stores them. */
export const startWords = ({ count, words }) =>
  count === 0 ? t("import.start_nothing") : t(`import.start.${words}`, { smart_count: count });

export function Preview({ file, charset, preview, fields, check, open = [], silent, zones, acts }) {
  const reach = check ? check.open_mailings : open;
  const [bad, isAll] = [badOf(preview), isAllOf(preview)];
  const stored = storedOf({ preview, check, fields });
  const isTable = preview.format !== "ndjson";
  return h(
    Card,
    {
      title: file.name,
      className: "import-preview",
      actions: [
        h(Button, { key: "other", onClick: acts.again }, t("import.another")),
        h(Button, { key: "go", kind: "primary", onClick: acts.run, disabled: stored.count === 0 }, startWords(stored)),
      ],
    },
    h(Known, { file, preview, isGuess: preview.is_encoding_in_doubt && !charset }),
    (preview.is_encoding_in_doubt || charset) && h(EncodingChoice, { charset, shown: true, onChange: acts.setCharset }),
    h(Workbook, { preview, onSheet: acts.setSheet }),
    isTable && h("h3", null, t("import.columns")),
    isTable &&
      h(
        "div",
        { className: "table-scroll" },
        h(ColumnChoice, { columns: preview.columns, fields, onChange: acts.setField }),
      ),
    isTable && !hasPhones(fields) && h(Notice, { tone: "warn" }, t("import.no_phones")),
    reach.length > 0 && h(OpenMailings, { reach, isKnown: Boolean(check), silent, onChange: acts.setSilent }),
    (isAsked(preview, fields, check) || zones.how !== MINE.how) &&
      h(TimeZones, {
        check,
        zones,
        usual: usualZone(preview, fields),
        hasColumn: Object.values(fields).includes("time_zone"),
        onChange: acts.setZones,
      }),
    bad > 0 && hasPhones(fields) && h(Notice, { tone: "warn" }, badWords(bad, preview.rows.length, isAll)),
    h("p", { className: "muted", role: "status" }, checkWords(check)),
    h("h3", null, isAll ? t("import.rows_all") : t("import.rows_first", { smart_count: preview.rows.length })),
    h(Rows, { preview, shown: shownOf(preview, fields) }),
  );
}

/** The time zone of whom none is said, as the rows show it where no column says one; undefined: they don't. */
const usualZone = ({ format, rows }, fields) =>
  format === "ndjson" || Object.values(fields).includes("time_zone")
    ? undefined
    : rows.find(({ outcome }) => outcome !== "bad")?.values.time_zone;

/** undefined: the file is being looked through; null: nobody can tell. */
function checkWords(check) {
  const more = check === undefined ? t("import.checking") : check && t("import.check", check);
  return [t("import.nothing_yet"), more].filter(Boolean).join(" ");
}

/** What the rows show, {key: label}: fields of a client, and attributes by their columns' names; nothing that is empty in all rows. */
const shownOf = (preview, fields) => {
  const isTable = preview.format !== "ndjson";
  const said = Object.values(fields);
  const keys = KEYS.filter((key) => !isTable || !DERIVED.includes(key) || said.includes(key));
  const shown = {
    ...Object.fromEntries(keys.map((key) => [key, fieldName(key)])),
    ...(isTable && attributesOf(fields)),
  };
  const hasValue = (key) => preview.rows.some(({ values }) => values && clientCell(values, key) !== "");
  return Object.fromEntries(Object.entries(shown).filter(([key]) => hasValue(key)));
};

const clientCell = (client, key) =>
  key === "phone_number" ? readable(client[key] ?? "") : String(cellOf(client, key) ?? "");

function cellOf(client, key) {
  if (key === "time_zone") return zoneName(client.time_zone ?? "");
  return key.startsWith("attributes.") ? client.attributes?.[key.slice("attributes.".length)] : client[key];
}

function badWords(bad, shown, isAll) {
  if (bad < shown) return t("import.bad_rows", { smart_count: bad });
  return t(isAll ? "import.bad_all" : "import.bad_first");
}

/** What is known of the file. */
export const Known = ({ file, preview, isGuess }) =>
  h(Facts, {
    wide: true,
    rows: [
      fact("size", size(file.size)),
      fact(
        "rows",
        preview.is_whole ? number(preview.estimated_rows) : t("import.about", { count: preview.estimated_rows }),
      ),
      ...formatFacts(preview, isGuess),
    ],
  });

function formatFacts(preview, isGuess) {
  // Where there are several sheets, another place says which is read.
  if (preview.format === "xlsx") return preview.other_sheets.length > 0 ? [] : [fact("sheet", preview.sheet)];
  const encoding = encodingOf(preview);
  const isCsv = preview.format === "csv";
  return [
    fact("encoding", isGuess ? t("import.encoding.guess", { encoding }) : encoding),
    fact("delimiter", isCsv ? t(`import.delimiter.${DELIMITERS[preview.delimiter]}`) : "NDJSON"),
  ];
}

const encodingOf = ({ encoding }) => ENCODINGS[encoding] ?? encoding ?? t("import.ascii");
const DELIMITERS = { ",": "comma", ";": "semicolon", "\t": "tab" };
const fact = (key, value) => ({ key, label: t(`import.fact.${key}`), value });

/** The first rows; `shown`: {key: label}; `cell`: what a row shows of a key. */
export const Rows = ({ preview, shown, cell = clientCell }) =>
  h(
    "div",
    { className: "table-scroll" },
    h(
      "table",
      { className: "table import-rows" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col", className: "numeric" }, t("import.line")),
          h("th", { scope: "col" }, t("import.outcome")),
          Object.entries(shown).map(([key, label]) => h("th", { key, scope: "col" }, label)),
        ),
      ),
      h(
        "tbody",
        null,
        preview.rows.map((row) => h(Row, { key: row.line, row, shown, cell })),
      ),
    ),
  );

const Row = ({ row, shown, cell }) =>
  h(
    "tr",
    { className: row.outcome === "bad" ? "bad" : "" },
    h("td", { className: "numeric muted", "data-label": t("import.line") }, row.line),
    h(
      "td",
      { className: "outcome", "data-label": t("import.outcome") },
      h(
        "div",
        null,
        h(Chip, { tone: TONES[row.outcome] }, t(`import.outcome.${row.outcome}`)),
        row.outcome === "repeat" && h("div", { className: "muted" }, t("import.same_as", { line: row.same_as_line })),
        h(Reasons, { errors: row.errors }),
      ),
    ),
    Object.entries(shown).map(([key, label]) =>
      h(
        "td",
        { key, "data-label": label, className: { phone_number: "phone-number", time_zone: "zone" }[key] },
        row.values && cell(row.values, key),
      ),
    ),
  );

const Reasons = ({ errors }) =>
  h(
    Fragment,
    null,
    errors.map((each, index) =>
      h(
        "div",
        { key: index, className: "reason" },
        each.field === "" ? sentence(each) : `${fieldName(each.field)}: ${said(each)}`,
      ),
    ),
  );
