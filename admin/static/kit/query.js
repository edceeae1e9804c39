// What a page shows, kept in the address: it can be sent to a colleague, and "back" leads to it.
import { useCallback, useLocation, useMemo, useNavigate } from "./lib.js";

function read(search, defaults) {
  const query = { ...defaults };
  for (const [key, value] of new URLSearchParams(search)) {
    if (key in query)
      query[key] = typeof query[key] === "number" ? Math.max(1, Number.parseInt(value, 10) || 1) : value;
  }
  return query;
}

function written(query, defaults) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== defaults[key]) search.set(key, value);
  return search.toString();
}

/**
 * [query, change]: `defaults` (a constant, with a `page`) where the address says nothing; numbers are from 1 up. `change` takes
 * what differs; anything but a page number leads to the first page.
 */
export function useQuery(defaults) {
  const { search, pathname } = useLocation();
  const navigate = useNavigate();
  const query = useMemo(() => read(search, defaults), [search]);
  const change = useCallback(
    (changes) => {
      const next = { ...query, page: 1, ...changes };
      navigate({ pathname, search: written(next, defaults) }, { replace: !("page" in changes) });
    },
    [query, pathname, navigate],
  );
  return [query, change];
}
