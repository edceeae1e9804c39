// What the lists of accounts and of tokens share.
import { dateTime, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Chip } from "../../kit/parts.js";

/** What the list is, above it. */
export const Intro = ({ words }) => h("p", { className: "list-intro" }, words);

/** The look of a row that can't be used any more. */
export const spent = (record) => (record && (record.revoke_time || isOver(record.expire_time)) ? { "& .MuiTableCell-root": { color: "var(--muted)" } } : {});

export const isOver = (time) => Boolean(time) && new Date(time) <= new Date();

export const Revoked = ({ time }) => h(Chip, { tone: "bad", title: dateTime(time) }, t("access.revoked"));
