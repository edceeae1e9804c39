// Which clients the list shows.
import { t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useEffect, useRef, useState } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { useDebounced } from "../../kit/poll.js";
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
    isFiltered(query) &&
      h(Button, { className: "client-filters-reset", onClick: () => change(noFilter) }, t("clients.reset")),
  );
}

/** Searches as one types, once the fingers rest. */
function Search({ value, onSearch }) {
  const [typed, setTyped] = useState(value);
  const settled = useDebounced(typed, SETTLE_MS);
  const known = useRef(value);
  useEffect(() => {
    if (settled !== typed || settled === known.current) return;
    known.current = settled;
    onSearch(settled);
  }, [settled]);
  useEffect(() => {
    if (value === known.current) return; // the address has changed by itself: "back", or no filter any more
    known.current = value;
    setTyped(value);
  }, [value]);
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
