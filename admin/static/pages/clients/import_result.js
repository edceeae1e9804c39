// What an import did, and the lines that it could not take.
import { saveAs, sentence } from "../../api.js";
import { number, said, t } from "../../i18n.js";
import { Fragment, h, Link } from "../../kit/lib.js";
import { Button, Card, Notice, Stat, Table } from "../../kit/parts.js";
import { fileOf } from "../../kit/sheet.js";
import { fieldName } from "./import_columns.js";

const SHOWN = 100;
const STATS = { created: "good", updated: "", unchanged: "", rejected: "bad" };

const reasonOf = (errors) =>
  errors.map((each) => (each.field === "" ? sentence(each) : `${fieldName(each.field)}: ${said(each)}`)).join("; ");

/** Rejected rows with all their cells, to be corrected; an import ignores the column with the reason. */
function rejectedFile({ header, rejected_rows: rows }) {
  if (header.length === 0)
    return new Blob(
      rows.map((row) => `${rejectedJson(row)}\n`),
      { type: "application/x-ndjson" },
    );
  const lines = rows.map((row) => [reasonOf(row.errors), ...row.cells]);
  return fileOf([[t("import.reason"), ...header], ...lines]);
}

function rejectedJson({ cells: [line = ""], errors }) {
  try {
    return JSON.stringify({ ...JSON.parse(line), import_error: reasonOf(errors) });
  } catch {
    return JSON.stringify({ line, import_error: reasonOf(errors) });
  }
}

export function Result({ file, result, again }) {
  const { errors, rejected } = result;
  const stored = result.created + result.updated + result.unchanged;
  return h(
    Fragment,
    null,
    h(
      Notice,
      {
        tone: rejected === 0 ? "good" : stored === 0 ? "bad" : "warn",
        title: t(stored === 0 && rejected > 0 ? "import.done_nothing" : "import.done", { name: file.name }),
      },
      rejected > 0 && t("import.done_rejected", { smart_count: rejected }),
    ),
    h(
      "div",
      { className: "stats" },
      Object.entries(STATS).map(([key, tone]) =>
        h(Stat, {
          key,
          label: t(`import.result.${key}`),
          value: number(result[key]),
          tone: result[key] > 0 ? tone : "",
        }),
      ),
    ),
    rejected > 0 && h(Rejected, { file, errors, result }),
    h(
      "div",
      { className: "row" },
      h(Link, { className: "button primary", to: "/clients" }, t("import.to_clients")),
      h(Button, { onClick: again }, t("import.next")),
    ),
  );
}

const rejectedName = (file, { header }) =>
  `${file.name.replace(/\.\w+$/, "")}-rejected.${header.length === 0 ? "ndjson" : "csv"}`;

const Rejected = ({ file, errors, result }) =>
  h(
    Card,
    {
      title: t("import.rejected"),
      actions: h(
        Button,
        { onClick: () => saveAs(rejectedFile(result), rejectedName(file, result)) },
        t("import.download_rejected"),
      ),
    },
    h("p", { className: "muted" }, t("import.rejected_words")),
    !result.rejected_is_whole && h("p", { className: "muted" }, t("import.rejected_cut")),
    h(Table, {
      columns: [
        { key: "line", label: t("import.line"), numeric: true },
        { key: "field", label: t("import.field"), render: (row) => fieldName(row.field) },
        { key: "message", label: t("import.reason"), render: (row) => sentence(row) },
      ],
      rows: errors.slice(0, SHOWN),
    }),
    errors.length > SHOWN &&
      h("p", { className: "muted" }, t("import.more_rejected", { count: SHOWN, total: errors.length })),
  );
