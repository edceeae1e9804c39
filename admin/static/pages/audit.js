// Who did what, when and from where.
import { known, t } from "../i18n.js";
import { asked, column, own } from "../kit/grid.js";
import { h, Link, RA } from "../kit/lib.js";
import { Time } from "../kit/parts.js";
import { AuditDetail } from "./audit/detail.js";
import { actorOf, KINDS, objectOf, placeOf, TYPES } from "./audit/words.js";

const { Datagrid, List, NumberInput, SelectInput, TextInput } = RA;

const REFRESH_MS = 10_000;

const filters = () => [
  h(TextInput, { key: "actor", source: "actor", alwaysOn: true, resettable: true }),
  h(SelectInput, {
    key: "actor_kind",
    source: "actor_kind",
    alwaysOn: true,
    translateChoice: false,
    sx: { minWidth: 190 },
    choices: KINDS.map((id) => ({ id, name: t(`audit.kind.${id}`) })),
  }),
  h(SelectInput, {
    key: "object_type",
    source: "object_type",
    alwaysOn: true,
    translateChoice: false,
    sx: { minWidth: 190 },
    choices: TYPES.map((id) => ({ id, name: t(`audit.object.${id}`) })),
  }),
  h(NumberInput, { key: "object_id", source: "object_id", alwaysOn: true, min: 1, sx: { maxWidth: { sm: 150 } } }),
];

const About = ({ event }) => {
  const { words, to } = objectOf(event);
  return to ? h(Link, { to, ...own }, words) : h("span", null, words);
};

const Who = ({ event }) => {
  const { words, kind } = actorOf(event);
  return h("div", null, h("strong", null, words), kind && h("div", { className: "muted small" }, kind));
};

const What = ({ event }) =>
  h(
    "div",
    null,
    known(`audit.action.${event.action}`) ?? event.action,
    h("div", { className: "narrow-only" }, h(About, { event })),
    h("div", { className: "narrow-only" }, h(Who, { event })),
  );

const hasDetail = (event) => Object.keys(event.detail).length > 0;

const AuditList = () =>
  h(
    List,
    {
      filters: filters(),
      actions: false,
      exporter: false,
      empty: false,
      perPage: 25,
      sort: { field: "id", order: "DESC" },
      queryOptions: asked(REFRESH_MS),
    },
    h(
      Datagrid,
      {
        bulkActionButtons: false,
        isRowExpandable: hasDetail,
        expand: h(AuditDetail),
        rowClick: (_id, _resource, event) => (hasDetail(event) ? "expand" : false),
        empty: h("p", { className: "loading" }, t("audit.none")),
      },
      column("time", (event) => h(Time, { value: event.time, timeStyle: "medium" })),
      column("actor", (event) => h(Who, { event }), { wide: true }),
      column("action", (event) => h(What, { event })),
      column("object_type", (event) => h(About, { event }), { wide: true }),
      column("peer", (event) => h("span", { className: "muted", title: event.peer }, placeOf(event.peer)), {
        wide: true,
      }),
    ),
  );

export default () => ({ name: "audit", list: AuditList });
