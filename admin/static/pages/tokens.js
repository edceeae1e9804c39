// What programs sign in with; for admins.
import { t } from "../i18n.js";
import { asked, column } from "../kit/grid.js";
import { h, RA } from "../kit/lib.js";
import { Chip, Time } from "../kit/parts.js";
import { Actions, Intro, isOver, Revoke, Revoked, spent } from "./access/list.js";
import { RoleChip } from "./access/role.js";
import { TokenDialog } from "./access/token_dialog.js";

const { Datagrid, List } = RA;

const RevokeToken = ({ token }) =>
  h(Revoke, {
    resource: "tokens",
    record: token,
    question: t("tokens.revoke_question", { name: token.name }),
    words: t("tokens.revoke_words"),
  });

const Name = ({ token }) =>
  h(
    "div",
    null,
    h("strong", null, token.name),
    h("div", { className: "muted small" }, token.hint ? `${token.hint}…` : t("tokens.from_outside")),
    h("span", { className: "narrow-only" }, h(RoleChip, { role: token.role })),
  );

const CreatedBy = ({ token }) =>
  h("div", null, token.created_by, h("div", { className: "muted small" }, h(Time, { value: token.create_time })));

const Expires = ({ token }) => {
  if (!token.expire_time) return h("span", { className: "muted" }, t("tokens.never"));
  return isOver(token.expire_time)
    ? h(Chip, { tone: "warn" }, t("tokens.expired"))
    : h(Time, { value: token.expire_time });
};

const LastUsed = ({ token }) =>
  token.last_used_time
    ? h(Time, { value: token.last_used_time })
    : h("span", { className: "muted" }, t("access.never"));

const TokenList = () =>
  h(
    List,
    {
      actions: h(Actions, { label: t("tokens.create"), dialog: TokenDialog }),
      exporter: false,
      storeKey: false,
      empty: false,
      perPage: 25,
      sort: { field: "id", order: "DESC" },
      queryOptions: asked(false),
    },
    h(Intro, { words: t("tokens.intro") }),
    h(
      Datagrid,
      {
        bulkActionButtons: false,
        rowClick: false,
        rowSx: spent,
        empty: h("p", { className: "loading" }, t("tokens.none")),
      },
      column("name", (token) => h(Name, { token })),
      column("role", (token) => h(RoleChip, { role: token.role }), { wide: true }),
      column("created_by", (token) => h(CreatedBy, { token }), { wide: true }),
      column("last_used_time", (token) => h(LastUsed, { token }), { wide: true }),
      column("expire_time", (token) => h(Expires, { token }), { wide: true }),
      column("revoke_time", (token) =>
        token.revoke_time ? h(Revoked, { time: token.revoke_time }) : h(RevokeToken, { token }),
      ),
    ),
  );

export default () => ({ name: "tokens", list: TokenList, recordRepresentation: "name" });
