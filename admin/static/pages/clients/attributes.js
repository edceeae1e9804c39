// Attributes of clients: which there are and with which values, and the part of the form where they are written.
import { call } from "../../api.js";
import { t } from "../../i18n.js";
import { FieldRows } from "../../kit/field_rows.js";
import { h, useMemo } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { usePoll } from "../../kit/poll.js";
import { textOf, valueIn } from "../../kit/values.js";

const EVERY_MS = 20_000;
const none = [];

/**
 * The attributes that clients have, or with `name` the values of that one, as choices for a Picker. `wanted`: whether
 * anybody looks at them. The engine keeps an answer for a while, and a file may be imported meanwhile.
 */
export function useAttributes(name = "", wanted = true) {
  const query = name ? `?name=${encodeURIComponent(name)}` : "";
  const load = (signal) => (wanted ? call(`/clients/attribute_facets${query}`, { signal }) : Promise.resolve(null));
  const { data } = usePoll(load, EVERY_MS, `${name} ${wanted}`);
  return useMemo(() => {
    if (!data) return none;
    if (!name) return data.names.map(({ value, client_count: count }) => ({ value, label: value, count }));
    return data.values.map(({ value, client_count: count }) => ({ value: textOf(value), label: textOf(value), count }));
  }, [data, name]);
}

/** Rows of a form for a client's attributes, and the attributes of such rows. */
export const rowsOf = (attributes) =>
  Object.entries(attributes).map(([name, value]) => ({ name, value: textOf(value) }));

export const attributesOf = (rows) =>
  Object.fromEntries(
    rows
      .filter(({ name, value }) => name.trim() && value !== "")
      .map(({ name, value }) => [name.trim(), valueIn(value)]),
  );

/** Names with values, one a line. */
export function AttributeFields({ rows, onChange, error }) {
  const names = useAttributes();
  const change = (index, changes) =>
    onChange(rows.map((row, place) => (place === index ? { ...row, ...changes } : row)));
  return h(
    FieldRows,
    {
      label: t("resources.clients.fields.attributes"),
      hint: t("clients.hint.attributes"),
      error,
      addLabel: t("clients.attribute.add"),
      onAdd: () => onChange([...rows, { name: "", value: "" }]),
    },
    rows.map((row, index) =>
      h(AttributeField, {
        key: index,
        row,
        names: names.filter(({ value }) => value === row.name || !rows.some(({ name }) => name === value)),
        change: (changes) => change(index, changes),
        remove: () => onChange(rows.filter((_, place) => place !== index)),
      }),
    ),
  );
}

function AttributeField({ row, names, change, remove }) {
  const values = useAttributes(row.name);
  return h(
    "div",
    { className: "attribute-row" },
    h(Picker, {
      label: t("clients.attribute.name"),
      value: row.name || null,
      onChange: (name) => change({ name: name ?? "" }),
      options: names,
      free: true,
    }),
    h(Picker, {
      label: t("clients.attribute.value"),
      value: row.value === "" ? null : row.value,
      onChange: (value) => change({ value: value ?? "" }),
      options: row.name ? values : none,
      free: true,
    }),
    h(Button, { onClick: remove, "aria-label": t("clients.attribute.remove", { name: row.name }) }, "×"),
  );
}

/** Attributes in a line, for lists. */
export const inLine = (attributes) =>
  Object.entries(attributes)
    .map(([name, value]) => `${name}: ${value}`)
    .join(" · ");
