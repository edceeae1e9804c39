// Who may sign in; for admins.
import { identity } from "../api.js";
import { t } from "../i18n.js";
import { asked, column } from "../kit/grid.js";
import { h, RA } from "../kit/lib.js";
import { Chip, Time } from "../kit/parts.js";
import { AccountDialog } from "./access/account_dialog.js";
import { Actions, Intro, Revoke, Revoked, spent } from "./access/list.js";
import { RoleChip } from "./access/role.js";

const { Datagrid, List } = RA;
const isOwn = (account) => account.name === identity()?.fullName && !account.revoke_time;

const RevokeAccount = ({ account }) =>
  h(Revoke, {
    resource: "accounts", record: account, question: t("accounts.revoke_question", { name: account.name }), words: t("accounts.revoke_words"),
  });

const Name = ({ account }) =>
  h(
    "span",
    { className: "row" },
    h("strong", null, account.name),
    isOwn(account) && h(Chip, { tone: "good" }, t("accounts.you")),
    h("span", { className: "narrow-only" }, h(RoleChip, { role: account.role })),
  );

const AccountList = () =>
  h(
    List,
    { actions: h(Actions, { label: t("accounts.add"), dialog: AccountDialog }), exporter: false, empty: false, perPage: 25, sort: { field: "id", order: "ASC" }, queryOptions: asked(false) },
    h(Intro, { words: t("accounts.intro") }),
    h(
      Datagrid,
      { bulkActionButtons: false, rowClick: false, rowSx: spent, empty: h("p", { className: "loading" }, t("accounts.none")) },
      column("name", (account) => h(Name, { account })),
      column("role", (account) => h(RoleChip, { role: account.role }), { wide: true }),
      column("create_time", (account) => h(Time, { value: account.create_time }), { wide: true }),
      column("last_sign_in_time", (account) => (account.last_sign_in_time ? h(Time, { value: account.last_sign_in_time }) : t("access.never")), { wide: true }),
      column("revoke_time", (account) =>
        account.revoke_time ? h(Revoked, { time: account.revoke_time }) : !isOwn(account) && h(RevokeAccount, { account }),
      ),
    ),
  );

export default () => ({ name: "accounts", list: AccountList, recordRepresentation: "name" });
