// Which clients the list shows: what the address says of it, and as the server has it.
import { useQuery } from "../../kit/query.js";
import { wantedOf } from "./attribute_filter.js";
import { FILTERS } from "./columns.js";
import { searched } from "./phone.js";

const SIZE = 25;
export const noFilter = { q: "", attributes: "", ...Object.fromEntries(FILTERS.map(({ query }) => [query, null])) };
const DEFAULTS = { ...noFilter, order: "DESC", page: 1, per: SIZE };

/** [query, change] of kit/query.js. */
export function useClientQuery() {
  const [query, change] = useQuery(DEFAULTS);
  return [query.order === "ASC" ? query : { ...query, order: "DESC" }, change];
}

export const isFiltered = (query) => Object.keys(noFilter).some((key) => query[key] !== noFilter[key]);

/** The filter as the server has it; an empty value is a switch there: react-admin sends no empty texts. */
export function filterOf(query) {
  const filter = {};
  const { part } = searched(query.q);
  if (part) filter.phone_contains = part;
  for (const { key, query: name } of FILTERS) {
    if (query[name] === "") filter[`no_${key}`] = true;
    else if (query[name] !== null) filter[key] = query[name];
  }
  if (query.attributes) filter.attributes = wantedOf(query.attributes);
  return filter;
}
