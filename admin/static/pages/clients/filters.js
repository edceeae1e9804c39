// Which clients the list shows.
import { t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { Search as SearchInput } from "../../kit/search.js";
import { FILTERS } from "./columns.js";
import { searched } from "./phone.js";
import { isFiltered, noFilter } from "./query.js";

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

const Search = ({ value, onSearch }) =>
  h(SearchInput, {
    label: t("clients.search"),
    inputMode: "tel",
    placeholder: "+7 916 123…",
    value,
    onSearch,
    hintOf: (typed) => {
      const { problem } = searched(typed);
      return problem && t(`clients.search.${problem}`);
    },
  });
