// How far a mailing is.
import { percent, t } from "../i18n.js";
import { h } from "./lib.js";

/**
 * How many messages are sent, not sent and waiting, as a bar with the numbers below. While it goes on what is through counts;
 * once it is `over`, what was sent: what was given up is no progress.
 */
export function Progress({ counts, label, compact = false, over = false }) {
  const { sent, not_sent: notSent, total } = counts;
  const done = over ? sent : sent + notSent;
  const share = total > 0 ? done / total : 0;
  const width = (count) => ({ width: `${total > 0 ? (100 * count) / total : 0}%` });
  const words = t(over ? "progress.sent" : "progress.label", { done, total });
  return h(
    "div",
    { className: `progress ${compact ? "compact" : ""}` },
    h(
      "div",
      {
        className: "bar",
        role: "progressbar",
        "aria-label": label ?? words,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.floor(100 * share),
        "aria-valuetext": words,
      },
      h("div", { className: "bar-sent", style: width(sent) }),
      !over && h("div", { className: "bar-not-sent", style: width(notSent) }),
    ),
    h(
      "div",
      { className: "progress-words" },
      h("strong", null, percent(total > 0 ? Math.floor(1000 * share) / 1000 : 0)),
      " ",
      h("span", null, words),
    ),
  );
}
