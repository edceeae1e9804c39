// How the server reads a file, before anything is stored.
import { sentence } from "../../api.js";
import { known, number, said, t } from "../../i18n.js";
import { Fragment, h } from "../../kit/lib.js";
import { Button, Card, Chip, Facts, Notice } from "../../kit/parts.js";
import { readable } from "../../kit/words.js";
import { KEYS } from "./columns.js";
import { ENCODINGS, EncodingChoice } from "./import_encoding.js";

const TONES = { created: "good", updated: "busy", unchanged: "quiet", repeat: "warn", bad: "bad" };
const KIB = 1024;

/** A file's length as people say it. */
function size(bytes) {
  const units = ["unit.byte", "unit.kib", "unit.mib", "unit.gib"];
  const step = bytes > 0 ? Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(KIB))) : 0;
  return t(units[step], { value: number(bytes / KIB ** step) });
}

export const fieldName = (field) =>
  field === "" ? t("import.whole_line") : (known(`resources.clients.fields.${field}`) ?? field);

export function Preview({ file, charset, preview, run, again, choose }) {
  const bad = preview.rows.filter((each) => each.outcome === "bad").length;
  const isAll = preview.is_whole && preview.rows.length === preview.estimated_rows; // only then it is known how many can be stored
  const count = isAll ? preview.estimated_rows - bad : preview.estimated_rows;
  return h(
    Card,
    {
      title: file.name,
      className: "import-preview",
      actions: [
        h(Button, { key: "other", onClick: again }, t("import.another")),
        h(
          Button,
          { key: "go", kind: "primary", onClick: run, disabled: count === 0 },
          count === 0
            ? t("import.start_nothing")
            : t(preview.is_whole ? "import.start" : "import.start_about", { smart_count: count }),
        ),
      ],
    },
    h(Known, { file, preview, isGuess: preview.is_encoding_in_doubt && !charset }),
    (preview.is_encoding_in_doubt || charset) &&
      h(EncodingChoice, { charset, shown: true, onChange: (next) => choose(file, next) }),
    preview.format === "csv" && h(Columns, { columns: preview.columns }),
    bad > 0 && h(Notice, { tone: "warn" }, badWords(bad, preview.rows.length, isAll)),
    h("p", { className: "muted" }, t("import.nothing_yet")),
    h("h3", null, isAll ? t("import.rows_all") : t("import.rows_first", { smart_count: preview.rows.length })),
    h(Rows, { preview }),
  );
}

function badWords(bad, shown, isAll) {
  if (bad < shown) return t("import.bad_rows", { smart_count: bad });
  return t(isAll ? "import.bad_all" : "import.bad_first");
}

const Known = ({ file, preview, isGuess }) =>
  h(Facts, {
    wide: true,
    rows: [
      fact("size", size(file.size)),
      fact(
        "rows",
        preview.is_whole ? number(preview.estimated_rows) : t("import.about", { count: preview.estimated_rows }),
      ),
      fact("encoding", isGuess ? t("import.encoding.guess", { encoding: encodingOf(preview) }) : encodingOf(preview)),
      fact("delimiter", preview.format === "csv" ? t(`import.delimiter.${DELIMITERS[preview.delimiter]}`) : "NDJSON"),
    ],
  });

const encodingOf = ({ encoding }) => ENCODINGS[encoding] ?? encoding ?? t("import.ascii");
const DELIMITERS = { ",": "comma", ";": "semicolon", "\t": "tab" };
const fact = (key, value) => ({ key, label: t(`import.fact.${key}`), value });

/** What the file says of each client, and what becomes of what it does not say. */
const Columns = ({ columns }) =>
  h(
    "ul",
    { className: "import-columns", "aria-label": t("import.columns") },
    KEYS.map((key) => {
      const there = columns.includes(key);
      return h(
        "li",
        { key, className: there ? "there" : "" },
        h("span", { "aria-hidden": true }, there ? "✓" : "–"),
        h("strong", null, fieldName(key)),
        h("span", { className: "muted" }, t(there ? "import.column_there" : `import.column_missing.${key}`)),
      );
    }),
  );

const Rows = ({ preview }) =>
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
          KEYS.map((key) => h("th", { key, scope: "col" }, fieldName(key))),
          h("th", { scope: "col" }, t("import.outcome")),
        ),
      ),
      h(
        "tbody",
        null,
        preview.rows.map((row) => h(Row, { key: row.line, row })),
      ),
    ),
  );

const Row = ({ row }) =>
  h(
    "tr",
    { className: row.outcome === "bad" ? "bad" : "" },
    h("td", { className: "numeric muted", "data-label": t("import.line") }, row.line),
    KEYS.map((key) =>
      h(
        "td",
        { key, "data-label": fieldName(key), className: { phone_number: "phone-number", time_zone: "zone" }[key] },
        row.client && (key === "phone_number" ? readable(row.client[key]) : row.client[key]),
      ),
    ),
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
