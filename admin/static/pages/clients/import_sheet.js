// What a workbook has besides the rows that are read: other sheets, and formulas that nobody has reckoned.
import { t } from "../../i18n.js";
import { Select } from "../../kit/fields.js";
import { Fragment, h } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";

const SHOWN = 5;

/** `onSheet(name)`: another one is chosen; without it they are only told of. */
export const Workbook = ({ preview, onSheet }) =>
  h(
    Fragment,
    null,
    preview.other_sheets?.length > 0 && (onSheet ? h(Choice, { preview, onSheet }) : h(Others, { preview })),
    preview.formulas?.length > 0 && h(Formulas, { formulas: preview.formulas }),
  );

const Choice = ({ preview: { sheet, other_sheets: others }, onSheet }) =>
  h(Select, {
    label: t("import.sheet.ask"),
    hint: t("import.sheet.others", { smart_count: others.length }),
    className: "import-encoding",
    value: sheet,
    onChange: onSheet,
    options: [sheet, ...others].map((each) => ({ value: each, label: each })),
  });

const Others = ({ preview: { sheet, other_sheets: others } }) =>
  h(Notice, { tone: "info" }, t("import.sheet.only", { sheet, others: others.join(", ") }));

const Formulas = ({ formulas }) =>
  h(
    Notice,
    { tone: "warn", title: t("import.formulas.title") },
    [
      ...formulas
        .slice(0, SHOWN)
        .map(({ column, count }) => t("import.formulas.column", { column, smart_count: count })),
      formulas.length > SHOWN && t("import.formulas.more", { smart_count: formulas.length - SHOWN }),
      t("import.formulas.what"),
    ]
      .filter(Boolean)
      .join("\n"),
  );
