// What an import did, and the lines that it could not take.
import { saveAs, sentence } from "../../api.js";
import { locale, number, t } from "../../i18n.js";
import { Fragment, h, Link } from "../../kit/lib.js";
import { Button, Card, Notice, Stat, Table } from "../../kit/parts.js";
import { fieldName } from "./import_preview.js";

const SHOWN = 100;
const BOM = "\ufeff"; // Excel takes the file for another encoding without it
const STATS = { created: "good", updated: "", unchanged: "", rejected: "bad" };

/** A cell; one that Excel would run as a formula gets an apostrophe, see gateway/tables/csv_rows.py. */
function quoted(cell) {
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rejected lines as a CSV; Excel in Russian takes a comma for a decimal point. */
function rejectedFile(errors) {
  const delimiter = locale() === "ru" ? ";" : ",";
  const head = [t("import.line"), t("import.field"), t("import.reason")];
  const lines = errors.map((each) => [each.line, fieldName(each.field), sentence(each)]);
  return new Blob([BOM, [head, ...lines].map((cells) => `${cells.map(quoted).join(delimiter)}\r\n`).join("")], {
    type: "text/csv",
  });
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
    rejected > 0 && h(Rejected, { file, errors }),
    h(
      "div",
      { className: "row" },
      h(Link, { className: "button primary", to: "/clients" }, t("import.to_clients")),
      h(Button, { onClick: again }, t("import.next")),
    ),
  );
}

const Rejected = ({ file, errors }) =>
  h(
    Card,
    {
      title: t("import.rejected"),
      actions: h(
        Button,
        { onClick: () => saveAs(rejectedFile(errors), `${file.name.replace(/\.\w+$/, "")}-rejected.csv`) },
        t("import.download_rejected"),
      ),
    },
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
