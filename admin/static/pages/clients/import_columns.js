// What each column of a file is: told from its name, changed by whoever knows better, and remembered by its name.
import { known, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { isPeoplesDate, ordered } from "../../kit/values.js";
import { KEYS } from "./columns.js";
import { AttributeName, isAttribute, nameOf } from "./import_attribute.js";

const REMEMBERED = "import.columns";
const IGNORE = "ignore";

export const fieldName = (field) =>
  field === ""
    ? t("import.whole_line")
    : (known(`resources.clients.fields.${field}`) ?? known(`stop.${field}`) ?? field);

/** What was chosen for columns of these names before, {header: field}. */
function memory() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    return {};
  }
}

/** Fields by headers, as they are told now, with what was chosen for such columns before; each field once. */
export function fieldsOf(columns) {
  const chosen = memory();
  const told = Object.fromEntries(columns.map(({ header, field }) => [header, field]));
  return columns.reduce(
    (found, { header }) => (chosen[header] ? withField(found, header, chosen[header]) : found),
    told,
  );
}

/** The fields with one of them changed: another column that had the same is ignored. */
export const withField = (fields, header, field) =>
  Object.fromEntries(
    Object.entries(fields).map(([each, old]) => {
      if (each === header) return [each, field];
      return [each, field !== IGNORE && old === field ? IGNORE : old];
    }),
  );

export function remember(header, field) {
  localStorage.setItem(REMEMBERED, JSON.stringify({ ...memory(), [header]: field }));
}

/** As the query says it, [name, value] each: what is taken, and that all else is ignored; {}: nobody has chosen yet. */
export const mapOf = (fields) => {
  const said = Object.entries(fields);
  const taken = said.filter(([, field]) => field !== IGNORE).map(([header, field]) => ["map", `${header}=${field}`]);
  return said.length > 0 ? [["rest", IGNORE], ...taken] : [];
};

export const hasPhones = (fields) => Object.values(fields).includes("phone_number");

/** Columns with their first values, and what each is taken for. */
export const ColumnChoice = ({ columns, fields, onChange }) =>
  h(
    "table",
    { className: "table import-columns" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["header", "values", "is"].map((key) => h("th", { key, scope: "col" }, t(`import.column.${key}`))),
      ),
    ),
    h(
      "tbody",
      null,
      columns.map((column, index) => h(Row, { key: index, column, fields, onChange })),
    ),
  );

const attributesBut = (fields, header) =>
  Object.entries(fields)
    .filter(([each, field]) => each !== header && isAttribute(field))
    .map(([, field]) => nameOf(field));

function Row({ column, fields, onChange }) {
  const field = fields[column.header];
  return h(
    "tr",
    { className: field === IGNORE ? "ignored" : "" },
    h("th", { scope: "row" }, column.header),
    h("td", { className: "muted" }, column.values.join(", ")),
    h(
      "td",
      null,
      h(
        "div",
        { className: "import-is" },
        h(
          "select",
          {
            "aria-label": t("import.column.choose", { name: column.header }),
            value: field,
            onChange: (event) => onChange(column.header, event.target.value),
          },
          optionsOf(column, field).map((value) => h("option", { key: value, value }, labelOf(value))),
        ),
        isAttribute(field) &&
          h(AttributeName, {
            key: field,
            header: column.header,
            name: nameOf(field),
            taken: attributesBut(fields, column.header),
            onName: (name) => onChange(column.header, `attributes.${name}`),
          }),
        isAttribute(field) && h(Dates, { values: column.values }),
      ),
    ),
  );
}

/** Dates as people write them are kept as they are, and texts are in no order that a condition could go by. */
function Dates({ values }) {
  const value = values.find(isPeoplesDate);
  return value
    ? h("p", { className: "field-words bad" }, t("import.column.dates", { value, ordered: ordered(value) }))
    : null;
}

const optionsOf = ({ header, field: told, attribute }, field) => [
  ...new Set([...KEYS, ...[told, field, KEYS.includes(header) ? told : attribute].filter(isAttribute), IGNORE]),
];

function labelOf(field) {
  if (field === IGNORE) return t("import.column.ignore");
  return isAttribute(field) ? t("import.column.attribute", { name: nameOf(field) }) : fieldName(field);
}

/** The attributes that the columns are, {field: the column's name}. */
export const attributesOf = (fields) =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, field]) => isAttribute(field))
      .map(([header, field]) => [field, header]),
  );
