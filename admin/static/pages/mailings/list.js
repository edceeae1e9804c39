// All mailings, the newest first, with bars that move.
import { call, may } from "../../api.js";
import { h, Link, useEffect, useLocation, useState } from "../../kit/lib.js";
import { icon } from "../../kit/icons.js";
import { Card, Loading, Notice, PageTitle, Progress, Trouble } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { t, timeZone } from "../../i18n.js";
import { Counts, firstLine, MailingChip } from "./parts.js";
import { windowParts } from "./times.js";

const PAGE_ROWS = 20;
const MOVING_MS = 2500;
const RESTING_MS = 10_000;
const STATES = ["active", "scheduled", "paused", "ended", "cancelled"];

/** What the address asks for: ?state=active&page=2, or react-admin's ?filter={"state":"active"}. */
function asked(search) {
  const query = new URLSearchParams(search);
  let state = query.get("state");
  try {
    state = state ?? JSON.parse(query.get("filter"))?.state;
  } catch {
    // Somebody has written the address by hand: all mailings are shown.
  }
  return { state: STATES.includes(state) ? state : "", page: Math.max(1, Math.floor(Number(query.get("page"))) || 1) };
}

const path = (state, page = 1) => {
  const query = new URLSearchParams({ ...(state && { state }), ...(page > 1 && { page }) }).toString();
  return query ? `/mailings?${query}` : "/mailings";
};

export function MailingList() {
  const { state, page } = asked(useLocation().search);
  const [every, setEvery] = useState(MOVING_MS);
  const load = (signal) =>
    call("/mailings/list", {
      signal,
      query: { pagination: { page, perPage: PAGE_ROWS }, sort: { field: "id", order: "DESC" }, filter: state ? { state } : {} },
    });
  const { data, error, reload } = usePoll(load, every, `${state} ${page}`);
  useEffect(() => void (data && setEvery(data.data.some(moves) ? MOVING_MS : RESTING_MS)), [data]);
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("resources.mailings.name", { smart_count: 5 })),
    h(
      "div",
      { className: "row spread" },
      h(Filter, { state }),
      may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("mailings.new")),
    ),
    h(Trouble, { error, reload }),
    data ? h(Found, { ...data, state, page }) : !error && h(Loading),
  );
}

const moves = (mailing) => mailing.state === "active" || mailing.state === "scheduled" || mailing.audience_state === "building";

const Filter = ({ state }) =>
  h(
    "nav",
    { className: "segmented", "aria-label": t("mailings.filter") },
    ["", ...STATES].map((each) =>
      h(Link, { key: each, to: path(each), "aria-current": each === state ? "page" : undefined }, t(each ? `state.${each}` : "mailings.all")),
    ),
  );

function Found({ data, total, state, page }) {
  const all = h(Link, { className: "button", to: path("") }, t("mailings.show_all"));
  if (total === 0) return state ? h(Notice, { action: all }, t("mailings.none_in_state")) : h(Empty);
  return h(
    Card,
    { className: "mailing-card" },
    h(
      "div",
      { className: "mailing-row mailing-head", "aria-hidden": true },
      ["mailing", "state", "window", "progress"].map((key) => h("span", { key }, t(`mailings.column.${key}`))),
    ),
    h("ul", { className: "mailing-list" }, data.map((mailing) => h(Row, { key: mailing.id, mailing }))),
    h(
      "footer",
      { className: "row spread m-list-foot" },
      h("span", { className: "muted" }, t("time.zone", { zone: timeZone() })),
      h(Pager, { state, page, total }),
    ),
  );
}

const Row = ({ mailing }) =>
  h(
    "li",
    { className: "mailing-row" },
    h(
      "div",
      { className: "mailing-text" },
      h("span", { className: "muted" }, t("mailings.number", { id: String(mailing.id) })),
      h(Link, { to: `/mailings/${mailing.id}/show`, title: mailing.text.slice(0, 500) }, firstLine(mailing.text)),
    ),
    h("div", null, h(MailingChip, { mailing })),
    h("div", { className: "mailing-window" }, windowParts(mailing.start_time, mailing.end_time).map((part) => h("span", { key: part }, part))),
    h(
      "div",
      { className: "mailing-progress" },
      h(Progress, { counts: mailing.message_counts, compact: true, label: t("mailings.progress_of", { id: String(mailing.id) }) }),
      mailing.audience_state === "building" ? h("span", { className: "muted" }, t("mailings.building")) : h(Counts, { counts: mailing.message_counts }),
    ),
  );

function Pager({ state, page, total }) {
  const last = Math.max(1, Math.ceil(total / PAGE_ROWS));
  const from = Math.min(total, (page - 1) * PAGE_ROWS + 1);
  if (last === 1 && page === 1) return h("span", { className: "muted" }, t("mailings.count", { smart_count: total }));
  return h(
    "nav",
    { className: "row", "aria-label": t("mailings.pages") },
    h("span", { className: "muted" }, t("mailings.range", { from, to: Math.min(total, page * PAGE_ROWS), total })),
    page > 1 && h(Link, { className: "button", to: path(state, Math.min(page - 1, last)) }, t("mailings.newer")),
    page < last && h(Link, { className: "button", to: path(state, page + 1) }, t("mailings.older")),
  );
}

const Empty = () =>
  h(
    Card,
    { className: "m-empty" },
    h(icon("mailings")),
    h("h2", null, t("mailings.empty.title")),
    h("p", { className: "muted" }, t(may("mailings.add") ? "mailings.empty.text" : "mailings.empty.viewer")),
    may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("mailings.empty.action")),
  );
