// What the lists of accounts and of tokens share.
import { dataProvider } from "../../api.js";
import { dateTime, t } from "../../i18n.js";
import { h, RA, useRefresh, useState } from "../../kit/lib.js";
import { Button, Chip, ConfirmButton } from "../../kit/parts.js";

/** What the list is, above it. */
export const Intro = ({ words }) => h("p", { className: "list-intro" }, words);

/** The look of a row that can't be used any more. */
export const spent = (record) =>
  record && (record.revoke_time || isOver(record.expire_time))
    ? { "& .MuiTableCell-root": { color: "var(--muted)" } }
    : {};

export const isOver = (time) => Boolean(time) && new Date(time) <= new Date();

export const Revoked = ({ time, label = t("access.revoked") }) =>
  h(Chip, { tone: "bad", title: dateTime(time) }, label);

/** The button above the list, and the dialog that it opens. */
export function Actions({ label, dialog }) {
  const [open, setOpen] = useState(false);
  const refresh = useRefresh();
  return h(
    RA.TopToolbar,
    null,
    h(Button, { kind: "primary", onClick: () => setOpen(true) }, label),
    open && h(dialog, { onMade: refresh, onClose: () => setOpen(false) }),
  );
}

/** Ends an account or a token for good; `question` and `words`: what is asked before, `children`: what else. */
export function Revoke({ resource, record, label = t("access.revoke"), question, words, meta, children }) {
  const refresh = useRefresh();
  const revoke = async () => {
    await dataProvider.delete(resource, { id: record.id, meta });
    refresh();
  };
  return h(ConfirmButton, { label, kind: "danger", question, onConfirm: revoke }, h("p", null, words), children);
}
