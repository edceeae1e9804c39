// What to do in a new installation.
import { may, rest } from "../../api.js";
import { t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Card, Chip, Notice } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";

const POLL_MS = 5000;
const readClients = (signal) =>
  rest("/clients", { query: { page_size: 1 }, signal }).then((answer) => answer.total_size);

/** Whether nothing was ever sent here and nothing is planned. */
export const isNew = (overview) => overview.message_counts.total === 0 && overview.mailings_total === 0;

/** Import clients, then register a mailing: for those who may. */
export function FirstSteps() {
  const { data: clients } = usePoll(readClients, POLL_MS);
  if (!may("mailings.add")) return h(Notice, null, t("steps.viewer"));
  const some = clients > 0;
  return h(
    Card,
    { title: t("steps.title"), className: "first-steps" },
    h(
      "ol",
      null,
      h(Step, {
        name: "clients",
        done: some,
        to: "/clients/import",
        label: t("steps.clients_do"),
        first: !some,
        words: some ? t("steps.clients_done", { smart_count: clients }) : t("steps.clients_words"),
      }),
      h(Step, {
        name: "mailing",
        done: false,
        to: "/mailings/create",
        label: t("mailings.new"),
        first: some,
        words: t("steps.mailing_words"),
      }),
    ),
  );
}

const Step = ({ name, done, to, label, first, words }) =>
  h(
    "li",
    { className: done ? "done" : "" },
    h(
      "div",
      null,
      h("strong", null, t(`steps.${name}`)),
      done && h(Chip, { tone: "good" }, t("steps.done")),
      h("p", { className: "muted" }, words),
    ),
    h(Link, { className: `button ${first ? "primary" : ""}`, to }, label),
  );
