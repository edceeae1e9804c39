// What the list shows, kept in the address: it can be sent to a colleague, and "back" leads to it.
import { useCallback, useLocation, useMemo, useNavigate } from "../../kit/lib.js";
import { searched } from "./phone.js";

const SIZE = 25;
const DEFAULTS = { q: "", tag: null, code: null, zone: null, order: "DESC", page: 1, per: SIZE };

function read(search) {
  const given = new URLSearchParams(search);
  const query = { ...DEFAULTS };
  for (const [key, value] of given) if (key in query) query[key] = typeof query[key] === "number" ? Math.max(1, Number.parseInt(value, 10) || 1) : value;
  query.order = query.order === "ASC" ? "ASC" : "DESC";
  return query;
}

function written(query) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== DEFAULTS[key]) search.set(key, value);
  return search.toString();
}

/** [query, change]: `change` takes what differs; anything but a page number leads to the first page. */
export function useQuery() {
  const { search, pathname } = useLocation();
  const navigate = useNavigate();
  const query = useMemo(() => read(search), [search]);
  const change = useCallback(
    (changes) => {
      const next = { ...query, page: 1, ...changes };
      navigate({ pathname, search: written(next) }, { replace: !("page" in changes) });
    },
    [query, pathname, navigate],
  );
  return [query, change];
}

export const noFilter = { q: "", tag: null, code: null, zone: null };
export const isFiltered = (query) => Object.keys(noFilter).some((key) => query[key] !== noFilter[key]);

/** The filter as the server has it. */
export function filterOf({ q, tag, code, zone }) {
  const filter = {};
  const { digits } = searched(q);
  if (digits) filter.phone_contains = digits;
  if (tag === "") filter.untagged = true;
  else if (tag !== null) filter.tag = tag;
  if (code !== null) filter.phone_code = code;
  if (zone !== null) filter.time_zone = zone;
  return filter;
}
