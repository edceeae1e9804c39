// The circuit breaker in words: what it means, and what a person has to do.
import { isAdmin } from "../../api.js";
import { t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Card, Facts } from "../../kit/parts.js";
import { BreakerChip, breakerFacts, callFacts, isIdle, isWell } from "../dashboard/health.js";

/** `provider`: how it has answered lately, once that is known. */
export function BreakerCard({ breaker, provider }) {
  const idle = isIdle(breaker, provider);
  return h(
    Card,
    { title: t("provider.title"), actions: h(BreakerChip, { breaker, idle }), className: "upright" },
    h(
      "p",
      { className: "plain" },
      t(`provider.${idle ? "idle" : breaker.state === "closed" && !isWell(breaker) ? "odd" : breaker.state}_means`),
    ),
    breaker.state !== "closed" &&
      h("p", { className: "plain" }, h("strong", null, t(`provider.${breaker.state}_${isAdmin() ? "do" : "tell"}`))),
    h(Facts, { rows: [...breakerFacts(breaker), ...(provider ? callFacts(provider) : [])] }),
  );
}
