// What needs a person: in plain words, with what to do and a way to where it is done.
import { isAdmin, may } from "../../api.js";
import { clock, momentOrClock, t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";
import { missingWords, othersThatWork } from "../../kit/providers.js";
import { SendingButton } from "../engine/sending.js";
import { partName } from "../engine/tables.js";
import { causeOf } from "./health.js";
import { titleOf } from "./mailings.js";

const TITLE_MAX = 50;
const MAILINGS_MAX = 3; // so that many of a kind don't push the rest out of sight: each is said at its mailing too

/** The overview's warnings, the most urgent first. */
export function Warnings({ overview, reload }) {
  const ofMailings = overview.warnings.filter((each) => each.mailing_id !== null);
  const left = ofMailings.slice(MAILINGS_MAX);
  const shown = overview.warnings.filter((each) => !left.includes(each));
  return h(
    "div",
    { className: "warnings" },
    shown.map((each) =>
      h(Warning, { key: `${each.code} ${each.mailing_id} ${each.name}`, warning: each, overview, reload }),
    ),
    left.length > 0 && h(Notice, { tone: "warn" }, t("warning.more_mailings", { smart_count: left.length })),
  );
}

const Warning = (props) => h(KINDS[props.warning.code] ?? Unknown, props);

const engineLink = () => h(Link, { className: "button", to: "/engine" }, t("dashboard.open_engine"));

const KINDS = {
  provider_token_refused: ({ warning, overview }) =>
    h(OfProvider, { warning, overview }, t(secretKey(warning.name, isAdmin() ? "do" : "tell"))),
  provider_unreachable: ({ warning, overview }) => h(Unreachable, { warning, overview }),
  provider_missing: ({ warning: { name }, overview }) => {
    const missing = overview.engine.missing_providers.find((each) => each.name === name);
    const words = missing && missingWords(missing.messages);
    return h(Notice, { tone: "warn", title: t("warning.provider_missing", { name }), action: engineLink() }, words);
  },
  sending_paused: ({ overview, reload }) => {
    const action = isAdmin() ? h(SendingButton, { engine: overview.engine, overview, onChange: reload }) : engineLink();
    const held = overview.engine.held_since_time;
    const words = held
      ? t("engine.sending_held_words")
      : t("warning.sending_paused_words", { pending: overview.message_counts.pending });
    return h(Notice, { tone: "warn", title: t("warning.sending_paused"), action }, words);
  },
  engine_lost: ({ warning }) =>
    h(
      Notice,
      { tone: "bad", title: t("warning.engine_lost", { name: warning.name }), action: engineLink() },
      t("warning.engine_lost_words"),
    ),
  actor_unhealthy: ({ warning }) => {
    const title = t("warning.actor_unhealthy", { part: partName(warning.name) });
    return h(Notice, { tone: "bad", title, action: engineLink() }, t("warning.actor_unhealthy_words"));
  },
  mailing_will_miss_end: (props) => h(OfMailing, { ...props, edit: true, count: props.warning.missed }),
  paused_mailing_ends_soon: (props) => h(OfMailing, { ...props, edit: false }),
};

/** What to do about a refused secret; where there are several providers, `name` says of which. */
export const secretKey = (name, verb) => (name ? `provider.secret_${verb}` : `provider.blocked_${verb}`);

/** An outage of one provider while another one sends in its place is worth a look, and no alarm. `name`: there are several. */
function OfProvider({ warning: { code, name }, overview, children }) {
  const others = name ? othersThatWork(overview.engine, name) : [];
  const kind = !name ? "" : others.length > 0 ? "_over" : "_none";
  const title = t(`warning.${code}${kind}`, { name, others: others.join(", "), smart_count: others.length });
  return h(Notice, { tone: others.length > 0 ? "warn" : "bad", title, action: engineLink() }, children);
}

function Unreachable({ warning, overview }) {
  const named = overview.engine.providers.find((each) => each.name === warning.name);
  const { breaker } = named ?? overview.provider;
  const hasOthers = named && othersThatWork(overview.engine, named.name).length > 0;
  const todo = hasOthers ? "provider.waits_for_it" : isAdmin() ? "provider.open_do" : "provider.open_tell";
  // The clock and not "in 5 s": an alert that changes at each poll would be read out at each poll.
  const lines = [
    breaker.detail && `${t("provider.cause")}: ${causeOf(breaker)}`,
    breaker.next_probe_time && `${t("provider.next_try")}: ${clock(breaker.next_probe_time, true)}`,
    t(todo),
  ];
  return h(OfProvider, { warning, overview }, lines.filter(Boolean).join("\n"));
}

function OfMailing({ warning, overview, edit, count }) {
  const id = warning.mailing_id;
  const brief = overview.mailings.find((each) => each.mailing_id === id);
  const change = edit && may("mailings.edit");
  const way = change
    ? { to: `/mailings/${id}`, words: "warning.change_mailing" }
    : { to: `/mailings/${id}/show`, words: "warning.open_mailing" };
  return h(
    Notice,
    {
      tone: "warn",
      title: t(`warning.${warning.code}`, { text: titleOf(brief, TITLE_MAX) }),
      action: h(Link, { className: "button", to: way.to }, t(way.words)),
    },
    t(`warning.${warning.code}_words`, {
      smart_count: count ?? brief.message_counts.pending,
      end: momentOrClock(brief.end_time),
    }),
  );
}

/** A kind that this page does not know yet: the engine is newer. Its own words are better than none. */
const Unknown = ({ warning }) => h(Notice, { tone: "warn" }, warning.detail);
