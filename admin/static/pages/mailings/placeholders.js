// What a text may name of each client: `{{name}}`, put in by a button.
import { t } from "../../i18n.js";
import { h, useId } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { useAttributes } from "../clients/attributes.js";

/** What every client may have, behind the attributes that some have. */
const NAMES = ["tag", "phone_number"];
const ATTRIBUTES_MAX = 8; // those that most clients have; others are written by hand
/** Whether a text names anything of clients. */
export const isPersonal = (text) => /(^|[^\\])\{\{/.test(text);

/** How many segments a text takes; one that names something of clients takes so many as it is written, and others as it goes out. */
export const writtenSegments = ({ text, segments }) =>
  t(isPersonal(text) ? "mailings.segments.written" : "mailings.segments", { smart_count: segments });

/** Put a placeholder where the cursor is, and the cursor behind it; `area`: the textarea. */
function insert(area, name, onChange) {
  const placed = `{{${name}}}`;
  const { selectionStart: start, selectionEnd: end, value } = area;
  onChange(value.slice(0, start) + placed + value.slice(end));
  requestAnimationFrame(() => {
    area.focus();
    area.setSelectionRange(start + placed.length, start + placed.length);
  });
}

/** Buttons for what can be named, and how it is done. `area()`: the textarea. */
export function Placeholders({ area, onChange }) {
  const id = useId();
  const attributes = useAttributes()
    .slice(0, ATTRIBUTES_MAX)
    .map(({ value }) => value);
  const friend = t("mailings.placeholders.friend");
  const examples = { plain: "{{name}}", instead: `{{name|${friend}}}`, friend };
  return h(
    "div",
    { className: "m-placeholders", role: "group", "aria-labelledby": id },
    h("span", { id, className: "muted small" }, t("mailings.placeholders")),
    [...attributes, ...NAMES].map((name) =>
      h(
        Button,
        {
          key: name,
          className: "small",
          title: t("mailings.placeholders.insert", { name }),
          onClick: () => insert(area(), name, onChange),
        },
        name,
      ),
    ),
    h("p", { className: "field-words" }, t("mailings.placeholders.help", examples)),
  );
}
