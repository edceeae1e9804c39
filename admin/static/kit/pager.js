// Page numbers below a list.

import { number, t } from "../i18n.js";
import { h, useEffect } from "./lib.js";
import { Button } from "./parts.js";

const SIZES = [25, 50, 100];

/** The numbers to show around `page`; null: a gap. */
function numbers(page, last) {
  const near = new Set([1, page - 1, page, page + 1, last].filter((each) => each >= 1 && each <= last));
  const found = [];
  for (const each of [...near].sort((a, b) => a - b)) {
    if (found.length && each - found.at(-1) > 1) found.push(null);
    found.push(each);
  }
  return found;
}

/** Where one is in a list of `total` rows, and the way to its other pages. */
export function Pager({ page, perPage, total, onPage, onPerPage }) {
  const last = Math.max(1, Math.ceil(total / perPage));
  const from = total === 0 ? 0 : (page - 1) * perPage + 1;
  return h(
    "nav",
    { className: "pager", "aria-label": t("pager.label") },
    h("span", null, t("pager.range", { from, to: Math.min(total, page * perPage), total })),
    onPerPage &&
      h(
        "label",
        { className: "pager-size" },
        h("span", { className: "wide-only" }, t("pager.rows")),
        h(
          "select",
          {
            className: "control",
            "aria-label": t("pager.rows"),
            value: perPage,
            onChange: (event) => onPerPage(Number(event.target.value)),
          },
          SIZES.map((each) => h("option", { key: each, value: each }, each)),
        ),
      ),
    last > 1 && h(Pages, { page, last, onPage }),
  );
}

const Pages = ({ page, last, onPage }) =>
  h(
    "span",
    { className: "pager-pages" },
    h(Button, { disabled: page <= 1, "aria-label": t("pager.previous"), onClick: () => onPage(page - 1) }, "‹"),
    numbers(page, last).map((each, index) =>
      each === null
        ? h("span", { key: `gap ${index}`, className: "muted" }, "…")
        : h(
            Button,
            {
              key: each,
              className: each === page ? "current" : "",
              "aria-current": each === page ? "page" : undefined,
              onClick: () => onPage(each),
            },
            number(each),
          ),
    ),
    h(Button, { disabled: page >= last, "aria-label": t("pager.next"), onClick: () => onPage(page + 1) }, "›"),
  );

/** Leads to the last page there is, when the one that is asked for has gone: what was on it is deleted. */
export function useExistingPage({ rows, total, perPage, change }) {
  const isBeyond = rows?.length === 0 && total > 0;
  useEffect(() => {
    if (isBeyond) change({ page: Math.ceil(total / perPage) });
  }, [isBeyond]);
}
