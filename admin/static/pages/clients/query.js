// Which clients the list shows: what the address says of it, and as the server has it.
import { useQuery } from "../../kit/query.js";
import { searched } from "./phone.js";

const SIZE = 25;
const DEFAULTS = { q: "", tag: null, code: null, zone: null, order: "DESC", page: 1, per: SIZE };

/** [query, change] of kit/query.js. */
export function useClientQuery() {
  const [query, change] = useQuery(DEFAULTS);
  return [query.order === "ASC" ? query : { ...query, order: "DESC" }, change];
}

export const noFilter = { q: "", tag: null, code: null, zone: null };
export const isFiltered = (query) => Object.keys(noFilter).some((key) => query[key] !== noFilter[key]);

/** The filter as the server has it. */
export function filterOf({ q, tag, code, zone }) {
  const filter = {};
  const { part } = searched(q);
  if (part) filter.phone_contains = part;
  if (tag === "") filter.untagged = true;
  else if (tag !== null) filter.tag = tag;
  if (code !== null) filter.phone_code = code;
  if (zone !== null) filter.time_zone = zone;
  return filter;
}
