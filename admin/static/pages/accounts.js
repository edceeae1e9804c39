// Who may sign in; for admins.
import { dataProvider, identity } from "../api.js";
import { t } from "../i18n.js";
import { asked, column } from "../kit/grid.js";
import { h, RA, useRefresh, useState } from "../kit/lib.js";
import { Button, Chip, ConfirmButton, Time } from "../kit/parts.js";
import { AccountDialog } from "./access/account_dialog.js";
import { Intro, Revoked, spent } from "./access/list.js";
import { RoleChip } from "./access/role.js";

const { Datagrid, List, TopToolbar } = RA;
const isOwn = (account) => account.name === identity()?.fullName && !account.revoke_time;

const Actions = () => {
  const [open, setOpen] = useState(false);
  const refresh = useRefresh();
  return h(
    TopToolbar,
    null,
    h(Button, { kind: "primary", onClick: () => setOpen(true) }, t("accounts.add")),
    open && h(AccountDialog, { onMade: refresh, onClose: () => setOpen(false) }),
  );
};

function Revoke({ account }) {
  const refresh = useRefresh();
  if (account.revoke_time || isOwn(account)) return null;
  const revoke = async () => {
    await dataProvider.delete("accounts", { id: account.id });
    refresh();
  };
  const question = t("accounts.revoke_question", { name: account.name });
  return h(ConfirmButton, { label: t("access.revoke"), kind: "danger", question, onConfirm: revoke }, h("p", null, t("accounts.revoke_words")));
}

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
    { actions: h(Actions), exporter: false, empty: false, perPage: 25, sort: { field: "id", order: "ASC" }, queryOptions: asked(false) },
    h(Intro, { words: t("accounts.intro") }),
    h(
      Datagrid,
      { bulkActionButtons: false, rowClick: false, rowSx: spent, empty: h("p", { className: "loading" }, t("accounts.none")) },
      column("name", (account) => h(Name, { account })),
      column("role", (account) => h(RoleChip, { role: account.role }), { wide: true }),
      column("create_time", (account) => h(Time, { value: account.create_time }), { wide: true }),
      column("last_sign_in_time", (account) => (account.last_sign_in_time ? h(Time, { value: account.last_sign_in_time }) : t("access.never")), { wide: true }),
      column("revoke_time", (account) =>
        account.revoke_time ? h(Revoked, { time: account.revoke_time }) : h(Revoke, { account }),
      ),
    ),
  );

export default () => ({ name: "accounts", list: AccountList, recordRepresentation: "name" });
