// One mailing: how it goes, and why not everybody has it.
import { call, rest } from "../../api.js";
import {
  duration,
  fromNow,
  moment,
  momentOrClock,
  money,
  number,
  perSecond,
  said,
  speed,
  t,
  timeZone,
} from "../../i18n.js";
import { h, Link, useEffect, useParams, useState } from "../../kit/lib.js";
import { Card, Chip, Facts, Loading, Notice, PageTitle, Stat, Time } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { Progress } from "../../kit/progress.js";
import { MessagesLink } from "../../kit/words.js";
import { Actions } from "./actions.js";
import { Breakdown, ByProvider, Reasons, Technical, Timeline } from "./charts.js";
import { Funnel } from "./funnel.js";
import { Audience, Bubble, MailingTrouble } from "./parts.js";
import { writtenSegments } from "./placeholders.js";
import { heldWords, isCollecting, isOpen, isOver, StandingChip, standingOf } from "./standing.js";
import { windowWords } from "./times.js";

const MOVING_MS = 2000;
const RESTING_MS = 10_000;
const STATUS_TONES = { sent: "good", not_sent: "bad", pending: "" };

export function MailingShow() {
  const { id } = useParams();
  const [every, setEvery] = useState(MOVING_MS);
  const load = async (signal) => {
    const [mailing, stats, engine] = await Promise.all([
      rest(`/mailings/${id}`, { signal }),
      call("/mailings/stats", { query: { id }, signal }),
      rest("/engine", { signal }),
    ]);
    return { mailing, stats, standing: standingOf(mailing, engine, stats.forecast) };
  };
  const { data, error, reload } = usePoll(load, every, id);
  useEffect(() => void (data && setEvery(isMoving(data.mailing) ? MOVING_MS : RESTING_MS)), [data]);
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, [t("mailings.title", { id }), data?.mailing.name].filter(Boolean).join(" · ")),
    h(MailingTrouble, { error, reload }),
    data && error?.status !== 404 && h(Mailing, { ...data, reload }),
    !data && !error && h(Loading),
  );
}

const isMoving = ({ state, message_counts: counts }) => isOpen({ state }) || counts.pending > 0;

const Mailing = ({ mailing, stats, standing, reload }) =>
  h(
    "div",
    { className: "page mailing-show" },
    h(
      "div",
      { className: "m-show-head" },
      h(
        "div",
        { className: "m-state" },
        h(StandingChip, { standing, mailing }),
        h("span", { className: "muted" }, stateWords(mailing, standing)),
      ),
      h(Actions, { mailing, reload }),
    ),
    standing.key === "held" &&
      h(
        Notice,
        { tone: standing.tone, action: h(Link, { className: "button", to: "/" }, t("page.home")) },
        heldWords(standing, mailing),
      ),
    mailing.details_removed_time &&
      h(Notice, null, t("mailings.details_removed", { when: moment(mailing.details_removed_time) })),
    mailing.archived_time && h(Notice, null, t("mailings.archived_since", { when: moment(mailing.archived_time) })),
    h(Warnings, { mailing, stats, standing }),
    h(
      "div",
      { className: "m-columns" },
      h(
        "div",
        { className: "stack" },
        h(Going, { mailing, stats, standing }),
        h(Funnel, { mailing, stats }),
        h(Timeline, { mailing, stats }),
        h(Breakdown, { stats }),
      ),
      h(
        "div",
        { className: "stack" },
        h(Plan, { mailing }),
        h(Texts, { stats }),
        h(ByProvider, { stats }),
        h(Reasons, { mailing, stats }),
        h(Technical, { stats }),
      ),
    ),
  );

/** What the state means in time. */
function stateWords(mailing, { key, hint }) {
  const { state, start_time: start, end_time: end } = mailing;
  if (state === "scheduled") return t("mailings.state.scheduled", { when: fromNow(start) });
  if (key === "through") return hint;
  if (state === "active") return t("mailings.state.active", { when: fromNow(end) });
  if (state === "paused") return t("mailings.state.paused", { when: fromNow(end) });
  if (state === "ended") return t("mailings.state.ended", { when: fromNow(end) });
  return t("mailings.state.cancelled");
}

function Warnings({ mailing, stats, standing }) {
  const { key, next } = standing;
  const { missed, rate_per_second: rate } = stats.forecast;
  const title = t("mailings.missed.title", { smart_count: missed });
  const open = mailing.state === "active" || mailing.state === "scheduled";
  return [
    ...mailing.warnings.map((each) => h(Notice, { key: `${each.code} ${each.field}`, tone: "warn" }, said(each))),
    isCollecting(mailing) &&
      h(Notice, { key: "building" }, t("mailings.building_long", { count: mailing.message_counts.total })),
    open &&
      missed > 0 &&
      h(
        Notice,
        { key: "missed", tone: "warn", title },
        mailing.local_hours ? t("mailings.missed.hours") : t("mailings.missed.text", { rate: perSecond(rate) }),
      ),
    mailing.state === "paused" &&
      mailing.pause_reason &&
      h(
        Notice,
        { key: "budget", tone: "warn" },
        t(`mailings.pause.${mailing.pause_reason}`, { budget: money(mailing.budget), cost: money(mailing.cost) }),
      ),
    next && h(Notice, { key: "opens" }, t("mailings.opens", { when: moment(next.time), ...batch(next) })),
    key === "nobody" && h(Notice, { key: "nobody", tone: "warn" }, standing.hint),
  ];
}

const batch = ({ time, count }) => ({ smart_count: count, from_now: fromNow(time) });

function Going({ mailing, stats, standing }) {
  const counts = stats.message_counts;
  const sending = standing.key === "active" && stats.rate_per_second > 0;
  const filter = { mailing_id: mailing.id };
  const all = (status) => h(MessagesLink, { filter: { ...filter, status } }, t("mailings.see"));
  return h(
    Card,
    {
      title: t("mailings.progress"),
      actions: h(MessagesLink, { filter }, t("mailings.messages")),
      className: "m-going",
    },
    h(Progress, { counts, label: t("mailings.progress"), over: isOver(mailing) }),
    h(
      "div",
      { className: "stats" },
      Object.entries(STATUS_TONES).map(([key, tone]) =>
        h(Stat, {
          key,
          label: t(`status.${key}`),
          value: number(counts[key]),
          tone: counts[key] > 0 ? tone : "",
          hint: counts[key] > 0 && all(key),
        }),
      ),
      h(Stat, {
        label: t("mailings.rate_now"),
        value: sending ? measured(stats.rate_per_second) : "—",
        hint: rateHint(mailing),
      }),
      standing.next
        ? h(Stat, {
            label: t("mailings.next_batch"),
            value: momentOrClock(standing.next.time),
            hint: t("mailings.next_batch_hint", batch(standing.next)),
          })
        : h(Stat, { label: t("mailings.done_at"), ...completion(mailing, stats, standing) }),
    ),
  );
}

const measured = (rate) => t("unit.per_second", { value: speed(rate) });

const rateHint = ({ rate_limit: limit }) => limit !== null && t("mailings.rate_own", { rate: perSecond(limit) });

/** When it will be through, or is, as a Stat's value and hint. */
function completion(mailing, stats, { key }) {
  const expected = stats.estimated_completion_time;
  if (mailing.state === "cancelled" || stats.message_counts.total === 0) return { value: "—" };
  if (stats.message_counts.pending === 0 && mailing.audience_state === "ready")
    return { value: t("mailings.done"), tone: "good" };
  if (key === "paused" || key === "held") return { value: "—" };
  if (stats.forecast.missed > 0) return { value: t("mailings.preview.not_before_end"), hint: moment(mailing.end_time) };
  if (key === "active" && stats.rate_per_second <= 0) return { value: "—", hint: t("mailings.nothing_now") };
  if (!expected) return { value: "—" };
  const seconds = (new Date(expected) - Date.now()) / 1000;
  return { value: seconds > 0 ? `≈ ${duration(roughly(seconds))}` : t("time.now"), hint: moment(expected) };
}

/** An estimate of minutes is not good to the second. */
const roughly = (seconds) => (seconds < 120 ? seconds : 60 * Math.round(seconds / 60));

/** The texts before the one of now, the last one first, and how many got each. */
function Texts({ stats }) {
  const before = stats.text_versions.slice(0, -1).reverse();
  if (before.length === 0) return null;
  return h(
    Card,
    { title: t("mailings.texts") },
    before.map(({ version, create_time: since, text, sent }) =>
      h(
        "div",
        { key: version, className: "stack" },
        h(
          "p",
          { className: "plain muted small" },
          t("mailings.texts.got", { smart_count: sent, version, since: moment(since) }),
        ),
        h(Bubble, { text }),
      ),
    ),
  );
}

/** What is sent, to whom and when. */
function Plan({ mailing }) {
  const { local_hours: hours } = mailing;
  const rows = [
    ["window", windowWords(mailing.start_time, mailing.end_time), t("time.zone", { zone: timeZone() })],
    ["audience", h(Audience, { filter: mailing.filter })],
    ["later", t(`mailings.later.${mailing.audience}`)],
    ["local_hours", hours ? t("mailings.hours", hours) : t("mailings.hours_any")],
    ["rate", mailing.rate_limit === null ? t("mailings.rate_any") : perSecond(mailing.rate_limit)],
    mailing.budget !== null && ["budget", money(mailing.budget)],
    (mailing.cost > 0 || mailing.budget !== null) && ["cost", money(mailing.cost)],
    ["uncertain", t(`mailings.uncertain.${mailing.on_uncertain}.short`)],
    mailing.provider && ["provider", mailing.provider],
    mailing.sender && ["sender", mailing.sender],
    ["created", h(Time, { value: mailing.create_time })],
  ];
  return h(
    Card,
    { title: t("mailings.text"), className: "m-facts-card", actions: h(Chip, null, writtenSegments(mailing)) },
    h(Bubble, { text: mailing.text }),
    h(Facts, { rows: rows.filter(Boolean).map(([key, value, hint]) => ({ key, label: factLabel(key), value, hint })) }),
  );
}

const factLabel = (key) => t(key === "later" ? "mailings.later" : `mailings.fact.${key}`);
