// Plots as SVG: stacked bars over time, and bars of shares. Each has the same numbers as a table for whoever can't see it.

import { clock, dateTime, number, t } from "../i18n.js";
import { h, useEffect, useRef, useState } from "./lib.js";
import { Table } from "./parts.js";

const HEIGHT = 180;
const LABEL = 56; // pixels that the longest time below the plot takes
const LEFT = 44;
const DIGIT = 6.5; // of a label beside the plot, about
const BOTTOM = 22;
const TOP = 8;

/** The element's width in pixels, as it changes. */
export function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(220, Math.floor(entry.contentRect.width))));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** The smallest of 1, 2, 5, 10, 20 … that is not below. */
export function niceCeiling(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/**
 * Stacked bars over time.
 * points: [{time, …numbers}]; series: [{key, label, className}]; `line`: one more of these, or null, that is drawn as a line over
 * the bars, for it is counted among them already; `long`: points are an hour or more apart; `seconds`: less than a minute.
 */
export function TimePlot({ points, series, line = null, label, long = false, seconds = false }) {
  const [ref, width] = useWidth();
  const all = line ? [...series, line] : series;
  const sum = (point) => series.reduce((total, each) => total + point[each.key], 0);
  const isEmpty = (point) => all.every((each) => point[each.key] === 0);
  const top = niceCeiling(Math.max(0, ...points.map((point) => Math.max(sum(point), line ? point[line.key] : 0))));
  const left = Math.max(LEFT, Math.ceil(12 + DIGIT * number(top).length));
  const inner = { width: width - left - 4, height: HEIGHT - TOP - BOTTOM };
  const step = inner.width / Math.max(1, points.length);
  const y = (value) => TOP + inner.height * (1 - value / top);
  const middle = (index) => left + (index + 0.5) * step;
  const every = Math.max(1, Math.ceil((long ? 84 : 60) / step)); // the pixels that a label needs
  const when = (point) =>
    long
      ? dateTime(point.time, {
          dateStyle: undefined,
          timeStyle: undefined,
          weekday: "short",
          hour: "2-digit",
          minute: "2-digit",
        })
      : clock(point.time, seconds);
  return h(
    "figure",
    { className: "plot", ref },
    h(
      "svg",
      { width, height: HEIGHT, role: "img", "aria-label": label },
      (top === 1 || top === 5 ? [0, 1] : [0, 0.5, 1]).map(
        (
          share, // there is no half of a message
        ) =>
          h(
            "g",
            { key: share },
            h("line", { className: "grid", x1: left, x2: width - 4, y1: y(top * share), y2: y(top * share) }),
            h(
              "text",
              { className: "axis", x: left - 6, y: y(top * share) + 4, textAnchor: "end" },
              number(top * share),
            ),
          ),
      ),
      points.map((point, index) =>
        h(Bar, { key: point.time, point, series, all, x: left + index * step, step, y, title: when(point) }),
      ),
      line &&
        h("polyline", {
          className: line.className,
          points: points.map((point, index) => `${middle(index)},${y(point[line.key])}`).join(" "),
        }),
      points.map(
        (point, index) =>
          index % every === 0 &&
          h(
            "text",
            {
              key: point.time,
              className: "axis",
              x: Math.min(width - LABEL / 2, middle(index)),
              y: HEIGHT - 6,
              textAnchor: "middle",
            },
            when(point),
          ),
      ),
    ),
    points.every(isEmpty) && h("p", { className: "plot-empty" }, t("plot.empty")),
    h(
      "figcaption",
      { className: "legend" },
      all.map((each) => h("span", { key: each.key }, h("i", { className: each.className }), each.label)),
    ),
    h(
      "details",
      { className: "plot-table" },
      h("summary", null, t("plot.table")),
      h(Table, {
        caption: label,
        columns: [
          { key: "time", label: t("plot.time"), render: when },
          ...all.map((each) => ({ ...each, numeric: true })),
        ],
        rows: points.filter((point) => !isEmpty(point)),
      }),
    ),
  );
}

function Bar({ point, series, all, x, step, y, title }) {
  let below = 0;
  const gap = step > 4 ? 1 : 0;
  const words = all.map((each) => `${each.label}: ${number(point[each.key])}`).join("\n");
  return h(
    "g",
    null,
    h("title", null, `${title}\n${words}`),
    h("rect", { className: "hit", x, y: TOP, width: step, height: HEIGHT - TOP - BOTTOM }),
    series.map((each) => {
      const from = below;
      below += point[each.key];
      return h("rect", {
        key: each.key,
        className: each.className,
        x: x + gap / 2,
        width: Math.max(0.5, step - gap),
        y: y(below),
        height: y(from) - y(below),
      });
    }),
  );
}

/** Named amounts as horizontal bars: rows [{key, label, value, words?, className?, hint?}], largest possible `total`. */
export const ShareBars = ({ rows, total, label }) =>
  h(
    "dl",
    { className: "share-bars", "aria-label": label },
    rows.map((row) =>
      h(
        "div",
        { key: row.key, title: row.hint },
        h("dt", null, row.label),
        h(
          "dd",
          null,
          h(
            "span",
            { className: "share-bar" },
            h("i", {
              className: row.className ?? "fill-sent",
              style: { width: `${total > 0 ? (100 * row.value) / total : 0}%` },
            }),
          ),
          h("span", { className: "share-value" }, row.words ?? number(row.value)),
        ),
      ),
    ),
  );

/** What arrived, as TimePlot's line; null where no receipt has said so. */
export const arrivals = (points) =>
  points.some((point) => point.delivered > 0)
    ? { key: "delivered", label: t("delivery.delivered"), className: "line-delivered" }
    : null;

/** The three fates of a message, as TimePlot's series. */
export const fates = () => [
  { key: "sent", label: t("status.sent"), className: "fill-sent" },
  { key: "not_sent", label: t("status.not_sent"), className: "fill-not-sent" },
  { key: "deferred", label: t("status.deferred"), className: "fill-deferred" },
];
