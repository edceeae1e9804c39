// A provider in words: how it does, what that means, what a person has to do, and how much of the work is its.
import { isAdmin } from "../../api.js";
import { money, number, percent, perSecond, speed, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Card, Facts, Notice } from "../../kit/parts.js";
import { missingWords, othersThatWork } from "../../kit/providers.js";
import { BreakerChip, breakerFacts, callFacts, isIdle, isWell } from "../dashboard/health.js";
import { secretKey } from "../dashboard/warnings.js";

/** One card for each of the engine's providers. */
export const Providers = ({ engine }) =>
  engine.providers.map((provider) => h(ProviderCard, { key: provider.name, provider, engine }));

/** Providers that are in the file no more, and for which messages wait. */
export const MissingProviders = ({ engine }) =>
  engine.missing_providers.map(({ name, messages }) =>
    h(Notice, { key: name, tone: "warn", title: t("warning.provider_missing", { name }) }, missingWords(messages)),
  );

function ProviderCard({ provider, engine }) {
  const { name, breaker } = provider;
  const idle = isIdle(breaker, provider);
  const isAlone = engine.providers.length === 1;
  return h(
    Card,
    {
      title: isAlone ? t("provider.title") : t("provider.named", { name }),
      actions: h(BreakerChip, { breaker, idle }),
      className: "upright",
    },
    h("p", { className: "plain" }, t(meaningKey(breaker, idle, isAlone))),
    provider.retired && h("p", { className: "plain" }, t("provider.retired")),
    breaker.state !== "closed" && h(Todo, { breaker, isAlone, name, others: othersThatWork(engine, name) }),
    h(Facts, { rows: factsOf(provider, engine) }),
    engine.engines.length > 1 && h("p", { className: "plain muted small" }, t("provider.one_engine")),
  );
}

function meaningKey(breaker, idle, isAlone) {
  if (idle) return "provider.idle_means";
  if (breaker.state === "closed" && !isWell(breaker)) return "provider.odd_means";
  return `provider.${breaker.state}_${isAlone || breaker.state === "closed" ? "means" : "means_one"}`;
}

/** What a person has to do; nothing at once while `others` send in its place. The one without a file has its token from FBRQ_TOKEN. */
function Todo({ breaker: { state }, isAlone, name, others }) {
  const verb = isAdmin() ? "do" : "tell";
  const isTakenOver = others.length > 0;
  const todo =
    state === "blocked" ? secretKey(!isAlone, verb) : isTakenOver ? "provider.no_hurry" : `provider.open_${verb}`;
  const meanwhile = isTakenOver
    ? t("provider.taken_over", { others: others.join(", "), name, smart_count: others.length })
    : !isAlone && t("provider.nobody_else");
  return [
    h("p", { key: "do", className: "plain" }, h("strong", null, t(todo))),
    meanwhile && h("p", { key: "meanwhile", className: "plain" }, meanwhile),
  ];
}

/** What is set, what it is doing, and how its calls ended lately. */
function factsOf(provider, { providers }) {
  const { kind, name, rate_limit: limit, rate_unit: unit, in_flight: flight, workers, calls } = provider;
  const all = providers.reduce((sum, each) => sum + each.calls, 0);
  const rows = [
    ...breakerFacts(provider.breaker),
    ["name", name, t("provider.kind", { kind })],
    ["limit", limit ? t(`provider.limit_${unit}`, { rate: perSecond(limit) }) : t("engine.no_limit")],
    ["speed", t("unit.per_second", { value: speed(provider.rate_per_second) })],
    ["flight", t("dashboard.of_workers", { count: flight, smart_count: workers }), undefined, flight / workers],
    ["queue", number(provider.queue_depth)],
    providers.length > 1 && all > 0 && ["share", percent(calls / all, 0), undefined, calls / all],
    ...callFacts(provider),
    provider.price_per_segment !== null && ["price", money(provider.price_per_segment), t("provider.price_hint")],
    provider.cost !== null && ["cost", money(provider.cost), t("provider.cost_hint")],
    provider.prefixes.length > 0 && ["prefixes", provider.prefixes.join(", ")],
    provider.senders.length > 0 && ["senders", provider.senders.join(", ")],
  ];
  return rows.map((row) => (Array.isArray(row) ? fact(...row) : row));
}

const fact = (key, value, hint, bar) => ({ key, label: t(`provider.fact.${key}`), value, hint, bar });
