// Who may sign in; for admins.
import { identity, rest } from "../api.js";
import { t } from "../i18n.js";
import { Tick } from "../kit/fields.js";
import { asked, column } from "../kit/grid.js";
import { h, RA, useRefresh, useState } from "../kit/lib.js";
import { Chip, ConfirmButton, Time } from "../kit/parts.js";
import { AccountDialog } from "./access/account_dialog.js";
import { Actions, Intro, Revoke, Revoked, spent } from "./access/list.js";
import { RoleChip } from "./access/role.js";

const { Datagrid, List } = RA;
const isOwn = (account) => account.name === identity()?.fullName && !account.revoke_time;

/** Whose account it is, for people: the host of the issuer's address. */
const hostOf = (issuer) => issuer.split("/")[2] ?? issuer;

function RevokeAccount({ account }) {
  const [withTokens, setWithTokens] = useState(true);
  const tokens = account.live_token_count;
  return h(
    Revoke,
    {
      resource: "accounts",
      record: account,
      label: t("accounts.revoke"),
      question: t("accounts.revoke_question", { name: account.name }),
      words: t("accounts.revoke_words"),
      meta: { with_tokens: tokens > 0 && withTokens },
    },
    tokens > 0 &&
      h(Tick, {
        label: t("accounts.revoke_tokens_too", { smart_count: tokens }),
        checked: withTokens,
        onChange: setWithTokens,
      }),
  );
}

/** What a revoked account has made goes on until it is revoked as well. */
const RevokeTokens = ({ account }) =>
  h(Revoke, {
    resource: "accounts",
    record: account,
    label: t("accounts.revoke_tokens", { smart_count: account.live_token_count }),
    question: t("accounts.revoke_tokens_question", { name: account.name }),
    words: t("accounts.revoke_tokens_words"),
    meta: { with_tokens: true },
  });

/** For who has lost the phone. */
function ResetTotp({ account }) {
  const refresh = useRefresh();
  const reset = async () => {
    await rest(`/accounts/${account.id}/reset_totp`, { method: "POST" });
    refresh();
  };
  return h(
    ConfirmButton,
    {
      label: t("accounts.reset_totp"),
      question: t("accounts.reset_totp_question", { name: account.name }),
      onConfirm: reset,
    },
    h("p", null, t("accounts.reset_totp_words")),
  );
}

const Access = ({ account }) => {
  if (!account.revoke_time)
    return (
      !isOwn(account) &&
      h(
        "div",
        { className: "row" },
        h(RevokeAccount, { account }),
        account.totp_enable_time && h(ResetTotp, { account }),
      )
    );
  return h(
    "div",
    null,
    h(Revoked, { time: account.revoke_time, label: t("accounts.revoked") }),
    account.live_token_count > 0 && h(RevokeTokens, { account }),
  );
};

const Name = ({ account }) =>
  h(
    "span",
    { className: "row" },
    h("strong", null, account.name),
    account.issuer && h(Chip, null, hostOf(account.issuer)),
    isOwn(account) && h(Chip, { tone: "good" }, t("accounts.you")),
    account.totp_enable_time && h(Chip, null, t("accounts.two_step")),
    h("span", { className: "narrow-only" }, h(RoleChip, { role: account.role })),
  );

const AccountList = () =>
  h(
    List,
    {
      actions: h(Actions, { label: t("accounts.add"), dialog: AccountDialog }),
      exporter: false,
      storeKey: false,
      empty: false,
      perPage: 25,
      sort: { field: "id", order: "ASC" },
      queryOptions: asked(false),
    },
    h(Intro, { words: t("accounts.intro") }),
    h(
      Datagrid,
      {
        bulkActionButtons: false,
        rowClick: false,
        rowSx: spent,
        empty: h("p", { className: "loading" }, t("accounts.none")),
      },
      column("name", (account) => h(Name, { account })),
      column("role", (account) => h(RoleChip, { role: account.role }), { wide: true }),
      column("create_time", (account) => h(Time, { value: account.create_time }), { wide: true }),
      column(
        "last_sign_in_time",
        (account) => (account.last_sign_in_time ? h(Time, { value: account.last_sign_in_time }) : t("access.never")),
        { wide: true },
      ),
      column("revoke_time", (account) => h(Access, { account })),
    ),
  );

export default () => ({ name: "accounts", list: AccountList, recordRepresentation: "name" });
