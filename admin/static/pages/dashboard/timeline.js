// What became of messages over the last hour or day.
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Card, Segments } from "../../kit/parts.js";
import { arrivals, fates, TimePlot } from "../../kit/plot.js";

const periods = () => ["hour", "day"].map((value) => ({ value, label: t(`dashboard.${value}`) }));

export function TimelineCard({ overview }) {
  const [period, setPeriod] = useState("hour");
  const long = period === "day";
  const points = long ? overview.last_day : overview.last_hour;
  return h(
    Card,
    {
      title: t("dashboard.timeline"),
      actions: h(Segments, { label: t("dashboard.period"), value: period, options: periods(), onChange: setPeriod }),
    },
    h(TimePlot, {
      points,
      series: fates(),
      line: arrivals(points),
      label: t(`dashboard.timeline_${period}`),
      long,
    }),
  );
}
