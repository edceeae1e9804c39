// What became of messages over the last hour or day.
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Card } from "../../kit/parts.js";
import { fates, TimePlot } from "../../kit/plot.js";

const PERIODS = ["hour", "day"];

export function TimelineCard({ overview }) {
  const [period, setPeriod] = useState("hour");
  const long = period === "day";
  return h(
    Card,
    { title: t("dashboard.timeline"), actions: h(Periods, { period, setPeriod }) },
    h(TimePlot, { points: long ? overview.last_day : overview.last_hour, series: fates(), label: t(`dashboard.timeline_${period}`), long }),
  );
}

const Periods = ({ period, setPeriod }) =>
  h(
    "div",
    { className: "segments", role: "group", "aria-label": t("dashboard.period") },
    PERIODS.map((each) =>
      h("button", { key: each, type: "button", "aria-pressed": each === period, onClick: () => setPeriod(each) }, t(`dashboard.${each}`)),
    ),
  );
