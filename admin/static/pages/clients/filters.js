// Which clients the list shows.
import { t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useEffect, useRef, useState } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { useDebounced } from "../../kit/poll.js";
import { searched } from "./phone.js";
import { isFiltered, noFilter } from "./query.js";

const SETTLE_MS = 250;

export function Filters({ query, change, facets }) {
  return h(
    "div",
    { className: "client-filters", role: "search", "aria-label": t("clients.filters") },
    h(Search, { value: query.q, onSearch: (q) => change({ q }) }),
    h(Picker, {
      label: t("resources.clients.fields.tag"),
      placeholder: t("clients.any"),
      options: facets.tags,
      value: query.tag,
      onChange: (tag) => change({ tag }),
    }),
    h(Picker, {
      label: t("resources.clients.fields.phone_code"),
      placeholder: t("clients.any"),
      options: facets.codes,
      value: query.code,
      onChange: (code) => change({ code }),
    }),
    h(Picker, {
      label: t("resources.clients.fields.time_zone"),
      placeholder: t("clients.any"),
      options: facets.zones,
      value: query.zone,
      onChange: (zone) => change({ zone }),
    }),
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
