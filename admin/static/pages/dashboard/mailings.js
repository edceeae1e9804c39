// The mailings that are under way, with bars that move.
import { may } from "../../api.js";
import { fromNow, momentOrClock, speed, t } from "../../i18n.js";
import { h, Link, useState } from "../../kit/lib.js";
import { Button, Card, Chip, Progress } from "../../kit/parts.js";
import { beginning } from "../../kit/words.js";
import { MailingChip } from "../mailings/parts.js";

const SHOWN = 6; // what is below the list should not be out of sight
const TEXT_MAX = 80; // the engine sends so many characters of a text

/** What a mailing is called: its name, or how its text begins, in `most` characters. */
export function titleOf(brief, most = TEXT_MAX) {
  if (brief.name) return beginning(brief.name, most);
  const letters = [...brief.text];
  const text = letters.slice(0, most).join("").replace(/\s+/g, " ").trim();
  if (!text) return t("dashboard.untitled", { id: String(brief.mailing_id) });
  return letters.length < Math.min(most, TEXT_MAX) ? text : `${text.replace(/[.,:;…-]+$/, "")}…`;
}

export function MailingsCard({ overview }) {
  const { mailings, mailings_total: total, engine } = overview;
  const held = heldBy(engine);
  const [all, setAll] = useState(false);
  const whole = all || mailings.length <= SHOWN + 1; // a button in place of a single one would save nothing
  const shown = whole ? mailings : mailings.slice(0, SHOWN);
  const register =
    may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("dashboard.register"));
  return h(
    Card,
    { title: t("dashboard.running"), actions: register, className: "mailings-now" },
    mailings.length === 0 && h("p", { className: "plain muted" }, t("dashboard.nothing_runs")),
    h(
      "ul",
      null,
      shown.map((brief) => h(Row, { key: brief.mailing_id, brief, held })),
    ),
    !whole && h(Button, { onClick: () => setAll(true) }, t("dashboard.show_all", { count: mailings.length - SHOWN })),
    whole && total > mailings.length && h(Link, { to: "/mailings" }, t("dashboard.more", { count: total })),
  );
}

/** Why nothing goes out, of no mailing: a key of words, or null. */
export function heldBy({ sending, breaker }) {
  if (sending === "paused") return "dashboard.held_all";
  return breaker.state === "closed" ? null : "dashboard.held_provider";
}

function Row({ brief, held }) {
  const waits = brief.state === "active" && brief.message_counts.pending > 0 ? held : null;
  const opens = opensAt(brief);
  return h(
    "li",
    null,
    h(
      "div",
      { className: "row spread" },
      h(Link, { to: `/mailings/${brief.mailing_id}/show`, className: "mailing-title" }, titleOf(brief)),
      waits ? h(Chip, { tone: "warn" }, t("dashboard.held")) : h(MailingChip, { mailing: brief, opens }),
    ),
    h(Progress, { counts: brief.message_counts, label: t("dashboard.of_mailing", { id: String(brief.mailing_id) }) }),
    h("div", { className: "mailing-words" }, wordsOf(brief, waits)),
    brief.missed > 0 && h("div", { className: "mailing-missed" }, t("dashboard.missed", { smart_count: brief.missed })),
  );
}

/** When the next messages go out, if nobody's hours are open now; or null. */
const opensAt = ({ state, message_counts: counts, next_open_time: opens }) =>
  state === "active" && counts.pending > 0 ? opens : null;

/** How a mailing goes on, in a sentence. */
function wordsOf(brief, held) {
  const { state, rate_per_second: rate, estimated_completion_time: eta, missed } = brief;
  const vars = { end: momentOrClock(brief.end_time), start: momentOrClock(brief.start_time), rate: speed(rate) };
  if (state === "scheduled") return t("dashboard.starts", { ...vars, from_now: fromNow(brief.start_time) });
  if (state === "paused") return t("dashboard.paused", vars);
  if (held) return t(held, vars);
  if (brief.audience_state === "building") return t("dashboard.building");
  if (brief.message_counts.total === 0) return t("mailings.nobody_open");
  if (brief.message_counts.pending === 0) return t("dashboard.through", vars);
  const opens = opensAt(brief);
  if (opens) return t("dashboard.opens", { ...vars, when: momentOrClock(opens), from_now: fromNow(opens) });
  if (rate <= 0) return t("dashboard.still", vars);
  // Of one that will not be through its end is the time of completion: that would read like good news.
  if (!eta || missed > 0) return t("dashboard.at_rate", vars);
  return t("dashboard.eta", { ...vars, when: momentOrClock(eta), from_now: fromNow(eta) });
}
