// Which clients the list shows.
import { t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { useTyped } from "../../kit/poll.js";
import { AttributeFilter } from "./attribute_filter.js";
import { FILTERS } from "./columns.js";
import { searched } from "./phone.js";
import { isFiltered, noFilter } from "./query.js";

const SETTLE_MS = 250;

export function Filters({ query, change, facets }) {
  return h(
    "div",
    { className: "client-filters", role: "search", "aria-label": t("clients.filters") },
    h(Search, { value: query.q, onSearch: (q) => change({ q }) }),
    FILTERS.map(({ key, query: name }) =>
      h(Picker, {
        key,
        label: t(`resources.clients.fields.${key}`),
        placeholder: t("clients.any"),
        options: facets.of(key),
        value: query[name],
        onChange: (value) => change({ [name]: value }),
      }),
    ),
    h(AttributeFilter, { value: query.attributes, onChange: (attributes) => change({ attributes }) }),
    isFiltered(query) &&
      h(Button, { className: "client-filters-reset", onClick: () => change(noFilter) }, t("clients.reset")),
  );
}

/** Searches as one types, once the fingers rest. */
function Search({ value, onSearch }) {
  const [typed, setTyped] = useTyped(value, onSearch, SETTLE_MS);
  const { problem } = searched(typed);
  return h(Input, {
    label: t("clients.search"),
    type: "search",
    inputMode: "tel",
    autoComplete: "off",
    placeholder: "+7 916 123…",
    value: typed,
    onChange: setTyped,
    hint: problem && t(`clients.search.${problem}`),
  });
}
