// Which events the audit list shows: by date, what was done, by whom and to what.
import { t } from "../../i18n.js";
import { Input, Select } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";
import { useQuery } from "../../kit/query.js";
import { Search } from "../../kit/search.js";
import { ACTIONS, KINDS, TYPES } from "./words.js";

const SIZE = 25;
const NONE = { since: "", until: "", action: "", who: "", kind: "", object: "", number: "" };
const DEFAULTS = { ...NONE, page: 1, per: SIZE };

/** [query, change] of kit/query.js. */
export const useAuditQuery = () => useQuery(DEFAULTS);

const isFiltered = (query) => Object.keys(NONE).some((key) => query[key] !== NONE[key]);

/** The filter as the server has it. Days are those of the person's own time zone. */
export function filterOf({ since, until, action, who, kind, object, number }) {
  const filter = {
    since_time: midnight(since, 0),
    until_time: midnight(until, 1),
    action,
    actor: who.trim(),
    actor_kind: kind,
    object_type: object,
    object_id: /^\d+$/.test(number.trim()) ? number.trim() : "",
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
}

/** The beginning of a day, so many days later; "" when there is none. */
function midnight(day, later) {
  const time = new Date(`${day}T00:00:00`);
  if (!day || Number.isNaN(time.getTime())) return "";
  time.setDate(time.getDate() + later);
  return time.toISOString();
}

const numberProblem = (typed) => (typed.trim() && !/^\d+$/.test(typed.trim()) ? t("audit.number_only") : undefined);

export function Filters({ query, change }) {
  const field = (name) => ({ value: query[name], onChange: (value) => change({ [name]: value }) });
  const choice = (name, label, ids, prefix) =>
    h(Select, {
      label,
      ...field(name),
      options: [{ value: "", label: t("audit.any") }, ...ids.map((id) => ({ value: id, label: t(`${prefix}.${id}`) }))],
    });
  return h(
    "div",
    { className: "client-filters", role: "search", "aria-label": t("audit.filters") },
    h(Input, { label: t("audit.since"), type: "date", max: query.until || undefined, ...field("since") }),
    h(Input, { label: t("audit.until"), type: "date", min: query.since || undefined, ...field("until") }),
    choice("action", t("resources.audit.fields.action"), ACTIONS, "audit.action"),
    h(Search, { label: t("resources.audit.fields.actor"), value: query.who, onSearch: (who) => change({ who }) }),
    choice("kind", t("audit.caller"), KINDS, "audit.kind"),
    choice("object", t("resources.audit.fields.object_type"), TYPES, "audit.object"),
    h(Search, {
      label: t("audit.number"),
      inputMode: "numeric",
      value: query.number,
      onSearch: (number) => change({ number }),
      hintOf: numberProblem,
    }),
    isFiltered(query) &&
      h(Button, { className: "client-filters-reset", onClick: () => change(NONE) }, t("clients.reset")),
  );
}
