// Pausing all sending and resuming it, after saying what that will do.
import { isAdmin, rest } from "../../api.js";
import { number, t } from "../../i18n.js";
import { h, useNotify } from "../../kit/lib.js";
import { Card, Chip, ConfirmButton, Facts } from "../../kit/parts.js";
import { outage } from "../../kit/providers.js";
import { engineLimitWords } from "../dashboard/health.js";

/** Change settings of the engine; resolves to its status. */
export const patchEngine = (body) => rest("/engine", { method: "PATCH", body });

/** How many mailings are being sent, as words: the overview names 20 at most, those that are sending first. */
function sendingCount({ mailings, mailings_total: total }) {
  const count = mailings.filter((each) => each.state === "active").length;
  return number(count) + (count === mailings.length && total > count ? "+" : "");
}

/** The button that fits: pause while sending is on, resume while it is paused. `overview`: for the numbers. */
export function SendingButton({ engine, overview, onChange }) {
  const notify = useNotify();
  const paused = engine.sending === "paused";
  const verb = paused ? "resume" : "pause";
  const act = async () => {
    await patchEngine({ sending: paused ? "running" : "paused" });
    notify(t(paused ? "engine.was_resumed" : "engine.was_paused"), { type: "success" });
    onChange();
  };
  const numbers = [
    overview && { key: "mailings", label: t("engine.mailings_sending"), value: sendingCount(overview) },
    overview && { key: "waiting", label: t("engine.messages_waiting"), value: number(overview.message_counts.pending) },
    paused
      ? { key: "speed", label: t("engine.speed_at_most"), value: engineLimitWords(engine) }
      : { key: "flight", label: t("engine.calls_under_way"), value: number(engine.in_flight) },
  ];
  return h(
    ConfirmButton,
    {
      // Another key: a dialog that asks to pause must not turn into one that asks to resume, under the person's finger.
      key: verb,
      label: t(`engine.${verb}`),
      question: t(`engine.${verb}_question`),
      kind: paused ? "primary" : "danger",
      onConfirm: act,
    },
    h("p", { className: "plain" }, t(engine.held_since_time ? "engine.resume_held_words" : `engine.${verb}_words`)),
    h(Facts, { rows: numbers }),
  );
}

/** What holds for sending as a whole; stuck: it is on, and yet no provider is called. */
function sendingWords(engine) {
  if (engine.held_since_time) return t("engine.sending_held_words");
  const stuck = engine.sending === "running" && outage(engine);
  return t(stuck ? "engine.sending_stuck_words" : `engine.sending_${engine.sending}_words`);
}

export const SendingCard = ({ engine, overview, onChange }) =>
  h(
    Card,
    {
      title: t("engine.control"),
      actions: h(Chip, { tone: engine.sending === "paused" ? "warn" : "good" }, t(`engine.sending_${engine.sending}`)),
      className: "upright",
    },
    h("p", { className: "plain" }, sendingWords(engine)),
    isAdmin()
      ? h(SendingButton, { engine, overview, onChange })
      : h("p", { className: "plain muted" }, t("engine.only_admins")),
  );
