// How a mailing stands at this moment: decided here for the dashboard, the list and the mailing's page.
import { moment, momentOrClock, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Chip, StateChip } from "../../kit/parts.js";
import { outage } from "../../kit/providers.js";

/** Whether it can still be changed, and clients can still come to match. */
export const isOpen = ({ state }) => ["scheduled", "active", "paused"].includes(state);

/** Whether nothing more will be sent. */
export const isOver = (mailing) => !isOpen(mailing);

/** Whether its clients are still being found; of one that is over nobody looks for more. */
export const isCollecting = (mailing) => isOpen(mailing) && mailing.audience_state === "building";

const waits = ({ state, message_counts: counts }) => state === "active" && counts.pending > 0;

/** Why nothing of it goes out: "all", "token", "provider", or null. `engine`: its status. */
const heldBy = (mailing, engine) => (engine.sending === "paused" ? "all" : outage(engine, mailing));

/**
 * {key, tone, label, hint?, next?}: what the mailing does. `key` is a state, or what keeps an active one from sending: "held"
 * (`held` says by what), "hours", "building", "nobody", "through". `forecast`: {next_open_time, next_open_count} of it, if known.
 */
export function standingOf(mailing, engine, forecast) {
  const { state, audience: mode, audience_state: audience, message_counts: counts } = mailing;
  const held = waits(mailing) && engine ? heldBy(mailing, engine) : null;
  if (held) return { key: "held", held, tone: held === "all" ? "warn" : "bad", label: t(`held.${held}`) };
  if (waits(mailing) && forecast?.next_open_time) {
    const next = { time: forecast.next_open_time, count: forecast.next_open_count };
    return { key: "hours", next, tone: "warn", label: t("mailings.waiting"), hint: t("mailings.waiting.hint") };
  }
  if (state !== "active" || counts.pending > 0) return { key: state };
  if (audience !== "ready") return { key: "building" };
  return counts.total > 0
    ? {
        key: "through",
        tone: counts.sent > 0 ? "good" : "warn",
        label: t(`mailings.through.${mode}`),
        hint: t(`mailings.through.hint.${mode}`, { fate: fateOf(counts), end: momentOrClock(mailing.end_time) }),
      }
    : { key: "nobody", tone: "warn", label: t(`mailings.nobody.${mode}`), hint: t(`mailings.nobody_open.${mode}`) };
}

/** What became of all messages of one that is through. */
function fateOf({ sent, not_sent: notSent, total }) {
  const fate = notSent === 0 ? "all" : sent > 0 ? "part" : "none";
  return t(`mailings.through.${fate}`, { sent, total, not_sent: notSent });
}

/** It as a chip. */
export const StandingChip = ({ standing, mailing }) =>
  standing.label
    ? h(Chip, { tone: standing.tone, title: standing.hint ?? heldWords(standing, mailing) }, standing.label)
    : h(StateChip, { state: mailing.state });

/** Why it is held, as a sentence; undefined: it is not. */
export const heldWords = ({ held }, mailing) =>
  held ? t(`dashboard.held_${held}`, { end: moment(mailing.end_time) }) : undefined;
