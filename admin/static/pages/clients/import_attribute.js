// What a column's attribute is called: told from the column's name, or written by whoever knows better.
import { t } from "../../i18n.js";
import { h, useId, useState } from "../../kit/lib.js";
import { KEYS } from "./columns.js";

const PREFIX = "attributes.";
const NAME = /^[a-z][a-z0-9_]{0,31}$/;
const RESERVED = ["id", ...KEYS];

export const isAttribute = (field) => field.startsWith(PREFIX);
export const nameOf = (field) => field.slice(PREFIX.length);

/** Why a column can't be the attribute of this name, as a key of the words; undefined: it can. `taken`: those of others. */
function problemOf(name, taken) {
  if (RESERVED.includes(name)) return "code.RESERVED_NAME";
  if (!NAME.test(name)) return "code.BAD_ATTRIBUTE_NAME";
  return taken.includes(name) ? "import.column.taken" : undefined;
}

/** `onName`: told of a name that can be, once it is written. */
export function AttributeName({ header, name, taken, onName }) {
  const [typed, setTyped] = useState(name);
  const words = useId();
  const wanted = typed.trim();
  const problem = problemOf(wanted, taken);
  const settle = () => !problem && wanted !== name && onName(wanted);
  const keys = (event) => event.key === "Enter" && settle();
  return [
    h("input", {
      key: "name",
      className: problem ? "bad" : "",
      value: typed,
      autoComplete: "off",
      spellCheck: false,
      "aria-label": t("import.column.name", { name: header }),
      "aria-invalid": problem ? true : undefined,
      "aria-describedby": problem ? words : undefined,
      onChange: (event) => setTyped(event.target.value),
      onBlur: settle,
      onKeyDown: keys,
    }),
    problem && h("p", { key: "problem", id: words, className: "field-words bad", role: "alert" }, t(problem)),
  ];
}
