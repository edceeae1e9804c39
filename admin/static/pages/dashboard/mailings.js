// The mailings that are under way, with bars that move.
import { may } from "../../api.js";
import { fromNow, momentOrClock, speed, t } from "../../i18n.js";
import { h, Link, useState } from "../../kit/lib.js";
import { Button, Card } from "../../kit/parts.js";
import { Progress } from "../../kit/progress.js";
import { beginning, ReasonLinks } from "../../kit/words.js";
import { heldWords, StandingChip, standingOf } from "../mailings/standing.js";

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
  const [all, setAll] = useState(false);
  const whole = all || mailings.length <= SHOWN + 1; // a button in place of a single one would save nothing
  const shown = whole ? mailings : mailings.slice(0, SHOWN);
  const register =
    may("mailings.add") && h(Link, { className: "button primary", to: "/mailings/create" }, t("mailings.new"));
  return h(
    Card,
    { title: t("dashboard.running"), actions: register, className: "mailings-now" },
    mailings.length === 0 && h("p", { className: "plain muted" }, t("dashboard.nothing_runs")),
    h(
      "ul",
      null,
      shown.map((brief) => h(Row, { key: brief.mailing_id, brief, engine })),
    ),
    !whole && h(Button, { onClick: () => setAll(true) }, t("dashboard.show_all", { count: mailings.length - SHOWN })),
    whole && total > mailings.length && h(Link, { to: "/mailings" }, t("dashboard.more", { count: total })),
  );
}

function Row({ brief, engine }) {
  const standing = standingOf(brief, engine, brief);
  return h(
    "li",
    null,
    h(
      "div",
      { className: "row spread" },
      h(Link, { to: `/mailings/${brief.mailing_id}/show`, className: "mailing-title" }, titleOf(brief)),
      h(StandingChip, { standing, mailing: brief }),
    ),
    h(Progress, { counts: brief.message_counts, label: t("dashboard.of_mailing", { id: String(brief.mailing_id) }) }),
    h("div", { className: "mailing-words" }, wordsOf(brief, standing)),
    h(ReasonLinks, { reasons: brief.reasons, filter: { mailing_id: brief.mailing_id } }),
    brief.missed > 0 && h("div", { className: "mailing-missed" }, t("dashboard.missed", { smart_count: brief.missed })),
  );
}

/** How a mailing goes on, in a sentence. */
function wordsOf(brief, standing) {
  const { rate_per_second: rate, estimated_completion_time: eta, missed } = brief;
  const { key, next } = standing;
  const vars = { end: momentOrClock(brief.end_time), start: momentOrClock(brief.start_time), rate: speed(rate) };
  if (key === "held") return heldWords(standing, brief);
  if (key === "scheduled") return t("dashboard.starts", { ...vars, from_now: fromNow(brief.start_time) });
  if (key === "paused") return t("dashboard.paused", vars);
  if (brief.audience_state === "building") return t("dashboard.building");
  if (key === "nobody" || key === "through") return standing.hint;
  if (next)
    return t("dashboard.opens", {
      ...vars,
      when: momentOrClock(next.time),
      from_now: fromNow(next.time),
      smart_count: next.count,
    });
  if (rate <= 0) return t("dashboard.still", vars);
  // Of one that will not be through its end is the time of completion: that would read like good news.
  if (!eta || missed > 0) return t("dashboard.at_rate", vars);
  return t("dashboard.eta", { ...vars, when: momentOrClock(eta), from_now: fromNow(eta) });
}
