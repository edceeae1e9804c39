// The engine: watch it and steer it.
import { one } from "../api.js";
import { number, speed, t } from "../i18n.js";
import { h } from "../kit/lib.js";
import { Card, Loading, PageTitle, Stale, Stat, Trouble } from "../kit/parts.js";
import { arrivals, fates, TimePlot } from "../kit/plot.js";
import { usePoll } from "../kit/poll.js";
import { POLL_MS, readOverview } from "./dashboard.js";
import { MissingProviders, Providers } from "./engine/providers.js";
import { RatePlot, useRates } from "./engine/rates.js";
import { SendingCard } from "./engine/sending.js";
import { SettingsCard } from "./engine/settings.js";
import { ActorsCard, EnginesCard } from "./engine/tables.js";

const readEngine = (signal) => one("engine", 1, signal).then((engine) => ({ engine, at: Date.now() }));

function EnginePage() {
  const { data, error, reload } = usePoll(readEngine, POLL_MS);
  const { data: overview, reload: reloadOverview } = usePoll(readOverview, POLL_MS);
  const rates = useRates(data);
  const changed = () => {
    reload();
    reloadOverview();
  };
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("engine.title")),
    h(Trouble, { error, reload, since: data?.at }),
    !data && !error && h(Loading),
    data && h(Stale, { stale: Boolean(error) }, h(Parts, { engine: data.engine, overview, rates, changed })),
  );
}

const Parts = ({ engine, overview, rates, changed }) => [
  h(MissingProviders, { key: "missing", engine }),
  h(Numbers, { key: "numbers", engine, overview }),
  h(
    "div",
    { key: "steer", className: "columns" },
    h(
      "div",
      { className: "stack" },
      h(SendingCard, { engine, overview, onChange: changed }),
      engine.providers.length === 1 && h(Providers, { engine }),
    ),
    h(SettingsCard, { engine, onChange: changed }),
  ),
  engine.providers.length > 1 && h("div", { key: "providers", className: "columns" }, h(Providers, { engine })),
  h(
    "div",
    { key: "plots", className: "columns" },
    h(Card, { title: t("engine.throughput") }, h(RatePlot, { rates, limit: engine.rate_limit })),
    overview &&
      h(
        Card,
        { title: t("engine.last_hour") },
        h(TimePlot, {
          points: overview.last_hour,
          series: fates(),
          line: arrivals(overview.last_hour),
          label: t("dashboard.timeline_hour"),
        }),
      ),
  ),
  h(EnginesCard, { key: "engines", engine }),
  h(ActorsCard, { key: "actors", actors: engine.actors }),
];

const Numbers = ({ engine, overview }) =>
  h(
    "div",
    { className: "stats" },
    h(Stat, { label: t("engine.rate"), value: speed(engine.rate_per_second), hint: t("engine.rate_hint") }),
    h(Stat, {
      label: t("engine.in_flight"),
      value: number(engine.in_flight),
      hint: t("engine.in_flight_hint", { total: engine.workers }),
    }),
    h(Stat, {
      label: t("engine.queue"),
      value: number(engine.queue_depth),
      hint: t("engine.queue_hint", { total: engine.queue_size }),
    }),
    overview &&
      h(Stat, {
        label: t("engine.waiting"),
        value: number(overview.message_counts.pending),
        hint: t("engine.waiting_hint"),
      }),
  );

export default () => ({ name: "engine", list: EnginePage });
