// How the provider and the engine do, in words.
import { clock, duration, fromNow, latency, number, percent, perSecond, saidOfCall, speed, t } from "../../i18n.js";
import { h, Link } from "../../kit/lib.js";
import { Card, Chip, Facts } from "../../kit/parts.js";
import { quoteOf } from "../messages/words.js";

const BREAKER_TONES = { closed: "good", open: "bad", blocked: "bad" };

/** The breaker's state as a chip; a provider that nobody has called lately is not called good. */
export const BreakerChip = ({ breaker: { state, detail }, idle }) =>
  h(
    Chip,
    { tone: idle ? "quiet" : detail ? "bad" : BREAKER_TONES[state] },
    t(idle ? "provider.idle" : state === "closed" && detail ? "provider.odd" : `provider.${state}`),
  );

/** Whether all is well as far as anybody knows: nobody has called the provider lately. */
export const isIdle = (breaker, provider) => isWell(breaker) && provider?.calls === 0;

/** A detail beside a closed breaker: calls are held for as long as the provider asked, or it is not the provider who answers. */
export const isWell = ({ state, detail }) => state === "closed" && !detail;

/** Why the provider failed last, in the person's language where we know the words. */
export function causeOf({ detail }) {
  const [status] = /^HTTP \d+/.exec(detail) ?? [];
  const quote = status && quoteOf({ http_status: status, detail });
  return quote ? `${status}: ${quote}` : saidOfCall(detail);
}

/** The rows of Facts that say what the breaker waits for; none while all is well. */
export const breakerFacts = (breaker) =>
  isWell(breaker)
    ? []
    : [
        breaker.detail && { key: "cause", label: t("provider.cause"), value: causeOf(breaker) },
        { key: "failures", label: t("provider.failures"), value: number(breaker.consecutive_failures) },
        (breaker.next_probe_time || breaker.state !== "closed") && {
          key: "next",
          label: t("provider.next_try"),
          value: breaker.next_probe_time ? fromNow(breaker.next_probe_time) : t("time.now"),
          hint: breaker.next_probe_time && t("provider.at", { time: clock(breaker.next_probe_time, true) }),
        },
      ];

/** The rows of Facts that say how the provider has answered lately; none when nobody has called it. */
export function callFacts(provider) {
  const { calls, error_share: share, latency_seconds: times, window_seconds: window } = provider;
  if (calls === 0) return [];
  return [
    {
      key: "errors",
      label: t("provider.errors"),
      value: t("provider.of_calls", { share: percent(share), count: calls }),
      hint: t("provider.window", { time: duration(window) }),
    },
    times.p50 !== null && {
      key: "latency",
      label: t("provider.latency"),
      value: t("provider.latency_words", { p50: latency(times.p50), p95: latency(times.p95) }),
    },
  ];
}

/** A limit of speed in words. */
export const limitWords = (limit) => (limit ? perSecond(limit) : t("engine.no_limit"));

/** The engine's: several providers have one each. */
export const engineLimitWords = ({ providers, rate_limit: limit }) =>
  providers.length > 1 ? t("dashboard.rate_each") : limitWords(limit);

export function ProviderCard({ provider }) {
  const { breaker } = provider;
  const idle = isIdle(breaker, provider);
  return h(
    Card,
    { title: t("provider.title"), actions: h(BreakerChip, { breaker, idle }) },
    idle
      ? h("p", { className: "plain muted" }, t("provider.idle_means"))
      : h(Facts, { rows: [...breakerFacts(breaker), ...callFacts(provider)] }),
  );
}

/** Several of them: each with how it does and how fast it goes. */
export const ProvidersCard = ({ providers }) =>
  h(
    Card,
    { title: t("provider.several"), actions: h(Link, { className: "button", to: "/engine" }, t("dashboard.details")) },
    h(Facts, {
      rows: providers.map((each) => ({
        key: each.name,
        label: each.name,
        value: h(BreakerChip, { breaker: each.breaker, idle: isIdle(each.breaker, each) }),
        hint: each.rate_per_second > 0 && t("unit.per_second", { value: speed(each.rate_per_second) }),
      })),
    }),
  );

export const EngineCard = ({ engine }) =>
  h(
    Card,
    {
      title: t("dashboard.engine"),
      actions: h(Link, { className: "button", to: "/engine" }, t("dashboard.open_engine")),
    },
    h(Facts, {
      rows: [
        {
          key: "sending",
          label: t("dashboard.sending"),
          value: h(
            Chip,
            { tone: engine.sending === "running" ? "good" : "warn" },
            t(`dashboard.sending_${engine.sending}`),
          ),
        },
        {
          key: "flight",
          label: t("dashboard.in_flight"),
          value: t("dashboard.of_workers", { count: engine.in_flight, smart_count: engine.workers }),
          bar: engine.in_flight / engine.workers,
        },
        {
          key: "queue",
          label: t("dashboard.queue"),
          value: t("dashboard.of_queue", { count: engine.queue_depth, total: engine.queue_size }),
          bar: engine.queue_depth / engine.queue_size,
        },
        { key: "limit", label: t("dashboard.rate_limit"), value: engineLimitWords(engine) },
        { key: "engines", label: t("dashboard.engines"), value: number(engine.engines.length) },
      ],
    }),
  );
