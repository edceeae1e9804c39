// The dashboard: what is going on, and what needs a person; it refreshes by itself.
import { one } from "../api.js";
import { number, speed, t } from "../i18n.js";
import { h } from "../kit/lib.js";
import { Loading, PageTitle, Stale, Stat, Trouble } from "../kit/parts.js";
import { usePoll } from "../kit/poll.js";
import { MessagesLink, ReasonLinks } from "../kit/words.js";
import { FirstSteps, isNew } from "./dashboard/first_steps.js";
import { EngineCard, ProviderCard, ProvidersCard } from "./dashboard/health.js";
import { MailingsCard } from "./dashboard/mailings.js";
import { TimelineCard } from "./dashboard/timeline.js";
import { Warnings } from "./dashboard/warnings.js";

export const POLL_MS = 2000;

/** All that the dashboard shows, from the engine. */
export const readOverview = (signal) => one("dashboard", 1, signal);

export function Dashboard() {
  const { data, error, reload } = usePoll(readOverview, POLL_MS);
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("menu.dashboard")),
    h(Trouble, { error, reload, since: data?.time }),
    !data && !error && h(Loading),
    data &&
      h(
        Stale,
        { stale: Boolean(error) },
        h(Warnings, { overview: data, reload }),
        h(isNew(data) ? Beginning : Busy, { overview: data }),
      ),
  );
}

function Totals({ overview }) {
  const { message_counts: counts, reasons, last_hour: hour, rate_per_second: rate } = overview;
  const inHour = (key) => t("dashboard.last_hour_hint", { count: hour.reduce((sum, point) => sum + point[key], 0) });
  const listed = (status, label) => h(MessagesLink, { filter: { status } }, label);
  return h(
    "div",
    { className: "stats" },
    h(Stat, { label: t("dashboard.rate"), value: speed(rate), hint: t("dashboard.rate_hint") }),
    h(Stat, {
      label: listed("pending", t("dashboard.waiting")),
      value: number(counts.pending),
      hint: t("dashboard.waiting_hint"),
    }),
    h(Stat, { label: listed("sent", t("dashboard.sent")), value: number(counts.sent), hint: inHour("sent") }),
    h(Stat, {
      label: listed("not_sent", t("dashboard.not_sent")),
      value: number(counts.not_sent),
      hint: [inHour("not_sent"), h(ReasonLinks, { key: "why", reasons })],
    }),
  );
}

const Busy = ({ overview }) => [
  h(Totals, { key: "totals", overview }),
  h(
    "div",
    { key: "parts", className: "dashboard-parts" },
    h("div", { className: "stack" }, h(MailingsCard, { overview }), h(TimelineCard, { overview })),
    h("div", { className: "stack" }, h(Health, { overview })),
  ),
];

const Beginning = ({ overview }) => [
  h(FirstSteps, { key: "steps" }),
  h("div", { key: "health", className: "columns" }, h(Health, { overview })),
];

const Health = ({ overview }) => [
  overview.engine.providers.length > 1
    ? h(ProvidersCard, { key: "provider", providers: overview.engine.providers })
    : h(ProviderCard, { key: "provider", provider: overview.provider }),
  h(EngineCard, { key: "engine", engine: overview.engine }),
];
