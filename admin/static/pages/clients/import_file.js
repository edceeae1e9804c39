// Choosing a file to import, and what is expected of it.
import { saveAs } from "../../api.js";
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Card, Table } from "../../kit/parts.js";

const ACCEPTED = ".xlsx,.xlsm,.csv,.tsv,.txt,.ndjson,.jsonl,text/csv";
const ROWS = [
  { id: 1, phone_number: "+7 (916) 123-45-67", tag: "vip", time_zone: "Europe/Moscow" },
  { id: 2, phone_number: "8 903 765-43-21", tag: "", time_zone: "Asia/Omsk" },
];
const COLUMNS = ["phone_number", "tag", "time_zone"];
const BOM = "\ufeff"; // Excel takes the file for another encoding without it

const sample = () =>
  new Blob(
    [
      BOM,
      [COLUMNS, ...ROWS.map((row) => COLUMNS.map((key) => row[key]))].map((cells) => `${cells.join(";")}\r\n`).join(""),
    ],
    { type: "text/csv" },
  );

/** Where a file is dropped or chosen; `title`, `words`: which file, and of what kinds. */
export function DropZone({ onFile, title = t("import.drop"), words = t("import.kinds") }) {
  const [over, setOver] = useState(false);
  const take = (files) => files.length > 0 && onFile(files[0]);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return h(
    "label",
    {
      className: `import-drop ${over ? "over" : ""}`,
      onDrop: drop,
      onDragLeave: () => setOver(false),
      onDragOver: (event) => {
        event.preventDefault();
        setOver(true);
      },
    },
    h("input", {
      type: "file",
      accept: ACCEPTED,
      "aria-label": t("import.choose"),
      onChange: (event) => take(event.target.files),
    }),
    h("span", { className: "import-drop-title" }, title),
    h("span", { className: "button primary", "aria-hidden": true }, t("import.choose")),
    h("span", { className: "muted" }, words),
  );
}

/** What a file must be, with one to begin with. */
export const Expected = () =>
  h(
    Card,
    {
      title: t("import.expected"),
      actions: h(Button, { onClick: () => saveAs(sample(), "clients-sample.csv") }, t("import.sample")),
    },
    h(Table, { columns: COLUMNS.map((key) => ({ key, label: key })), rows: ROWS }),
    h(
      "ul",
      { className: "import-hints" },
      ["columns", "phones", "twice", "empty"].map((key) => h("li", { key }, t(`import.expected.${key}`))),
    ),
  );
