// What can be done with a mailing. What can't be taken back asks first, and says in numbers what will come of it.
import { call, may, rest } from "../../api.js";
import { moment, t } from "../../i18n.js";
import { h, Link, useNavigate, useNotify, useState } from "../../kit/lib.js";
import { Button, ConfirmButton, Trouble } from "../../kit/parts.js";
import { isOpen, isOver } from "./standing.js";

/** `reload`: show what has become of it. */
export function Actions({ mailing, reload }) {
  const parts = { mailing, reload };
  return h(
    "div",
    { className: "row" },
    isOpen(mailing) && may("mailings.edit") && h(mailing.state === "paused" ? Resume : Pause, parts),
    isOpen(mailing) &&
      may("mailings.edit") &&
      h(Link, { className: "button", to: `/mailings/${mailing.id}` }, t("mailings.action.edit")),
    may("mailings.add") &&
      h(Link, { className: "button", to: "/mailings/create", state: { copy: mailing } }, t("mailings.action.copy")),
    isOpen(mailing) && may("mailings.edit") && h(Cancel, parts),
    isOver(mailing) && may("mailings.edit") && h(Archive, parts),
    may("mailings.delete") && h(Delete, parts),
  );
}

/** What happened meanwhile is shown as well when the engine refuses. */
async function steer(mailing, verb, reload) {
  try {
    await rest(`/mailings/${mailing.id}/${verb}`, { method: "POST", body: {} });
  } catch (error) {
    if (error.status === 409) error.message = t("mailings.closed");
    throw error;
  } finally {
    reload();
  }
}

/** The sentences that a dialog says. */
const Words = ({ lines }) =>
  h(
    "div",
    { className: "m-dialog-words" },
    lines.filter(Boolean).map((line) => h("p", { key: line }, line)),
  );

const waiting = (key, { pending }) => t(pending > 0 ? key : "mailings.dialog.nothing", { smart_count: pending });
const out = ({ sent }) => t("mailings.dialog.sent", { smart_count: sent });

const Pause = ({ mailing, reload }) =>
  h(
    ConfirmButton,
    {
      label: t("mailings.action.pause"),
      kind: "primary",
      question: t("mailings.pause.question"),
      confirmLabel: t("mailings.action.pause"),
      onConfirm: () => steer(mailing, "pause", reload),
    },
    h(Words, {
      lines: [
        waiting("mailings.pause.waiting", mailing.message_counts),
        out(mailing.message_counts),
        t("mailings.pause.end", { end: moment(mailing.end_time) }),
      ],
    }),
  );

function Resume({ mailing, reload }) {
  const begun = new Date(mailing.start_time) <= Date.now();
  const when = mailing.local_hours ? "hours" : "now"; // it may be night where they live
  const words = begun
    ? waiting(`mailings.resume.${when}`, mailing.message_counts)
    : t("mailings.resume.later", { smart_count: mailing.message_counts.pending, start: moment(mailing.start_time) });
  return h(
    ConfirmButton,
    {
      label: t("mailings.action.resume"),
      kind: "primary",
      question: t("mailings.resume.question"),
      confirmLabel: t("mailings.action.resume"),
      onConfirm: () => steer(mailing, "resume", reload),
    },
    h(Words, { lines: [words, out(mailing.message_counts)] }),
  );
}

const Cancel = ({ mailing, reload }) =>
  h(
    ConfirmButton,
    {
      label: t("mailings.action.cancel"),
      kind: "danger",
      question: t("mailings.cancel.question"),
      confirmLabel: t("mailings.cancel.yes"),
      closeLabel: t("mailings.cancel.no"),
      onConfirm: () => steer(mailing, "cancel", reload),
    },
    h(Words, {
      lines: [
        waiting("mailings.cancel.waiting", mailing.message_counts),
        out(mailing.message_counts),
        t("mailings.cancel.final"),
      ],
    }),
  );

/** Puts a mailing into the archive or takes it out; a function. */
function useArchive({ mailing, reload }) {
  const notify = useNotify();
  return async (verb) => {
    try {
      await rest(`/mailings/${mailing.id}/${verb}`, { method: "POST", body: {} });
      notify(t(`mailings.${verb}.done`, { id: String(mailing.id) }), { type: "info" });
    } finally {
      reload();
    }
  };
}

/** Does not ask: it can be taken back at once. */
function Archive({ mailing, reload }) {
  const archive = useArchive({ mailing, reload });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const verb = mailing.archived_time ? "unarchive" : "archive";
  const act = async () => {
    setBusy(true);
    setError(null);
    await archive(verb).catch(setError);
    setBusy(false);
  };
  return [
    h(Button, { key: "archive", busy, onClick: act }, t(`mailings.action.${verb}`)),
    h(Trouble, { key: "trouble", error, aside: true }),
  ];
}

function Delete({ mailing, reload }) {
  const archive = useArchive({ mailing, reload });
  const mayArchive = isOver(mailing) && !mailing.archived_time && may("mailings.edit");
  const navigate = useNavigate();
  const notify = useNotify();
  const { pending, total } = mailing.message_counts;
  const remove = async () => {
    await call("/mailings/one", { method: "DELETE", body: { id: mailing.id } });
    notify(t("mailings.delete.done", { id: String(mailing.id) }), { type: "info" });
    navigate("/mailings");
  };
  return h(
    ConfirmButton,
    {
      label: t("mailings.action.delete"),
      kind: "danger",
      question: t("mailings.delete.question", { id: String(mailing.id) }),
      confirmLabel: t("mailings.delete.yes"),
      closeLabel: t("mailings.delete.no"),
      onConfirm: remove,
      instead: mayArchive && { label: t("mailings.delete.instead"), act: () => archive("archive") },
    },
    h(Words, {
      lines: [
        t("mailings.delete.messages", { smart_count: total }),
        isOpen(mailing) && pending > 0 && t("mailings.delete.waiting", { smart_count: pending }),
        t("mailings.delete.final"),
        mayArchive && t("mailings.delete.archive"),
        isOpen(mailing) && t("mailings.delete.cancel_first"),
      ],
    }),
  );
}
