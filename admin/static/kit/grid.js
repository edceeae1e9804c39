// Columns of react-admin's Datagrid that we draw ourselves.
import { h, RA } from "./lib.js";

/**
 * A column: `source` finds its label (resources.NAME.fields.SOURCE), `draw(record)` what stands in it.
 * `wide`: it is left out on a phone. Lists are in the order of ids, so no column can be sorted by.
 */
export const column = (source, draw, { wide = false, numeric = false } = {}) =>
  h(RA.WithRecord, {
    key: source,
    source,
    sortable: false,
    render: draw,
    textAlign: numeric ? "right" : undefined,
    headerClassName: wide ? "wide-only" : undefined,
    cellClassName: wide ? "wide-only" : undefined,
  });

const RETRY_MS = 3000;

/** A list's queryOptions: it is asked for again every `everyMs` (false: never), and soon after an error, so that it mends itself. */
export const asked = (everyMs) => ({
  retry: false,
  refetchInterval: (_, { state }) => (state.error ? RETRY_MS : everyMs),
});

/** For what stands in a row that opens on a click: a click on it is its own. */
export const own = { onClick: (event) => event.stopPropagation() };
