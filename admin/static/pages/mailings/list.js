// All mailings, the newest first, with bars that move.
import { call, list, may, one } from "../../api.js";
import { t, timeZone } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, Link, useEffect, useState } from "../../kit/lib.js";
import { Pager, useExistingPage } from "../../kit/pager.js";
import { Card, Empty, Loading, Notice, PageTitle, Trouble } from "../../kit/parts.js";
import { usePoll, useTyped } from "../../kit/poll.js";
import { Progress } from "../../kit/progress.js";
import { useQuery } from "../../kit/query.js";
import { beginning, titleOf } from "../../kit/words.js";
import { Counts } from "./parts.js";
import { isCollecting, isOver, StandingChip, standingOf } from "./standing.js";
import { windowParts } from "./times.js";

const PAGE_ROWS = 20;
const TITLE = 90;
const MOVING_MS = 2500;
const RESTING_MS = 10_000;
const STATES = ["active", "scheduled", "paused", "ended", "cancelled"];
const ARCHIVED = "archived";
const CHOICES = [...STATES, ARCHIVED];

const SETTLE_MS = 250;
const SEARCH_MAX = 200;

const DEFAULTS = { state: "", q: "", page: 1 };
const path = (query) => {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return search ? `/mailings?${search}` : "/mailings";
};

export function MailingList() {
  const [{ state: wanted, q, page }, change] = useQuery(DEFAULTS);
  const state = CHOICES.includes(wanted) ? wanted : ""; // somebody may have written the address by hand
  const [every, setEvery] = useState(MOVING_MS);
  const which = state === ARCHIVED ? { archived: true } : { state };
  const load = (signal) => found({ page, perPage: PAGE_ROWS, filter: { ...which, search: q.trim() }, signal });
  const { data, error, reload } = usePoll(load, every, JSON.stringify([state, q, page]));
  useEffect(() => void (data && setEvery(data.data.some(moves) ? MOVING_MS : RESTING_MS)), [data]);
  useExistingPage({ rows: data?.data, total: data?.total, perPage: PAGE_ROWS, change });
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("resources.mailings.name", { smart_count: 5 })),
    h(
      "div",
      { className: "row spread" },
      h(Filter, { state, q }),
      may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("mailings.new")),
    ),
    h(Search, { value: q, onSearch: (typed) => change({ q: typed }) }),
    h(Trouble, { error, reload }),
    data ? h(Found, { ...data, state, q, page, change }) : !error && h(Loading),
  );
}

/** A page of the list, and how each mailing of it stands; {data: [{mailing, standing}], total}. */
async function found(asked) {
  const [{ data, total }, { engine, mailings: briefs }] = await Promise.all([
    list("mailings", asked),
    one("dashboard", 1, asked.signal),
  ]);
  const known = new Map(briefs.map((brief) => [brief.mailing_id, brief]));
  // The overview has the first twenty: of others that may wait for their hours it is asked one by one.
  const unknown = data.filter((each) => each.state === "active" && each.local_hours && !known.has(each.id));
  await Promise.all(
    unknown.map(async ({ id }) => {
      const { forecast } = await call("/mailings/stats", { query: { id }, signal: asked.signal });
      known.set(id, forecast);
    }),
  );
  const rows = data.map((mailing) => ({ mailing, standing: standingOf(mailing, engine, known.get(mailing.id)) }));
  return { data: rows, total };
}

const moves = ({ mailing }) => mailing.state === "active" || mailing.state === "scheduled" || isCollecting(mailing);

/** Searches as one types, once the fingers rest. */
function Search({ value, onSearch }) {
  const [typed, setTyped] = useTyped(value, onSearch, SETTLE_MS);
  return h(
    "div",
    { className: "mailing-search", role: "search" },
    h(Input, {
      label: t("mailings.search"),
      type: "search",
      autoComplete: "off",
      maxLength: SEARCH_MAX,
      placeholder: t("mailings.search_in"),
      value: typed,
      onChange: setTyped,
    }),
  );
}

const nameOf = (choice) => {
  if (choice === ARCHIVED) return "mailings.archived";
  return choice ? `state.${choice}` : "mailings.all";
};

const Filter = ({ state, q }) =>
  h(
    "nav",
    { className: "segmented", "aria-label": t("mailings.filter") },
    ["", ...CHOICES].map((each) =>
      h(
        Link,
        { key: each, to: path({ state: each, q }), "aria-current": each === state ? "page" : undefined },
        t(nameOf(each)),
      ),
    ),
  );

function Found({ data, total, state, q, page, change }) {
  const all = h(Link, { className: "button", to: "/mailings" }, t("mailings.show_all"));
  if (total === 0 && q.trim()) return h(Notice, { action: all }, t("mailings.none_found", { words: q.trim() }));
  if (total === 0 && state)
    return h(Notice, { action: all }, t(state === ARCHIVED ? "mailings.none_archived" : "mailings.none_in_state"));
  if (total === 0) return h(Card, null, h(None));
  return h(
    Card,
    { className: "mailing-card" },
    h(
      "div",
      { className: "mailing-row mailing-head", "aria-hidden": true },
      ["mailing", "state", "window", "progress"].map((key) => h("span", { key }, t(`mailings.column.${key}`))),
    ),
    h(
      "ul",
      { className: "mailing-list" },
      data.map(({ mailing, standing }) => h(Row, { key: mailing.id, mailing, standing })),
    ),
    h(
      "footer",
      { className: "row spread m-list-foot" },
      h("span", { className: "muted" }, t("time.zone", { zone: timeZone() })),
      h(Pager, { page, perPage: PAGE_ROWS, total, onPage: (next) => change({ page: next }) }),
    ),
  );
}

const Row = ({ mailing, standing }) =>
  h(
    "li",
    { className: "mailing-row" },
    h(
      "div",
      { className: "mailing-text" },
      h("span", { className: "muted" }, t("mailings.number", { id: String(mailing.id) })),
      h(
        "div",
        { className: "mailing-named" },
        h(Link, { to: `/mailings/${mailing.id}/show`, title: mailing.text.slice(0, 500) }, titleOf(mailing, TITLE)),
        mailing.name && h("span", { className: "muted small" }, beginning(mailing.text, TITLE)),
      ),
    ),
    h("div", null, h(StandingChip, { standing, mailing })),
    h(
      "div",
      { className: "mailing-window" },
      windowParts(mailing.start_time, mailing.end_time).map((part) => h("span", { key: part }, part)),
    ),
    h(
      "div",
      { className: "mailing-progress" },
      h(Progress, {
        counts: mailing.message_counts,
        compact: true,
        over: isOver(mailing),
        label: t("mailings.progress_of", { id: String(mailing.id) }),
      }),
      isCollecting(mailing)
        ? h("span", { className: "muted" }, t("mailings.building"))
        : h(Counts, { counts: mailing.message_counts }),
    ),
  );

const None = () =>
  h(
    Empty,
    {
      icon: "mailings",
      title: t("mailings.empty.title"),
      words: t(may("mailings.add") ? "mailings.empty.text" : "mailings.empty.viewer"),
    },
    may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("mailings.empty.action")),
  );
