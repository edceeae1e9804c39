// The engine's speed over the last minutes, from the moment the page was opened.
import { perSecond, speed, t } from "../../i18n.js";
import { h, useEffect, useState } from "../../kit/lib.js";
import { niceCeiling, useWidth } from "../../kit/plot.js";

const MINUTES = 5;
const KEPT_MS = MINUTES * 60_000;
const HEIGHT = 180;
const EDGES = { left: 44, right: 4, top: 8, bottom: 22 };

/** The speeds seen so far, [{at, rate}], the oldest first; `data` is what usePoll has of the engine. */
export function useRates(data) {
  const [rates, setRates] = useState([]);
  useEffect(() => {
    if (data)
      setRates((old) => [
        ...old.filter((each) => data.at - each.at < KEPT_MS),
        { at: data.at, rate: data.engine.rate_per_second },
      ]);
  }, [data]);
  return rates;
}

/** A line with its area, moving from right to left; `limit`: the engine's budget, drawn where it is in reach. */
export function RatePlot({ rates, limit }) {
  const [ref, width] = useWidth();
  const last = rates.at(-1) ?? { at: Date.now(), rate: 0 };
  const most = Math.max(0, ...rates.map((each) => each.rate));
  const top = niceCeiling(most);
  const scale = {
    x: (at) => width - EDGES.right - ((width - EDGES.left - EDGES.right) * (last.at - at)) / KEPT_MS,
    y: (rate) => HEIGHT - EDGES.bottom - ((HEIGHT - EDGES.top - EDGES.bottom) * rate) / top,
  };
  const inReach = limit > 0 && limit <= top;
  return h(
    "figure",
    { className: "plot", ref },
    h(
      "svg",
      {
        width,
        height: HEIGHT,
        role: "img",
        "aria-label": t("engine.throughput_label", { minutes: MINUTES, now: speed(last.rate), top: speed(most) }),
      },
      [0, top / 2, top].map((rate) => h(Grid, { key: rate, rate, scale, width })),
      h(Line, { rates, scale }),
      inReach &&
        h("line", {
          className: "limit",
          x1: EDGES.left,
          x2: width - EDGES.right,
          y1: scale.y(limit),
          y2: scale.y(limit),
        }),
      h(Times, { last, scale, width }),
    ),
    h(
      "figcaption",
      { className: "legend" },
      h("span", null, h("i", { className: "fill-rate" }), t("engine.throughput_legend")),
      inReach &&
        h("span", null, h("i", { className: "fill-limit" }), t("engine.limit_legend", { value: perSecond(limit) })),
    ),
  );
}

const Grid = ({ rate, scale, width }) =>
  h(
    "g",
    null,
    h("line", { className: "grid", x1: EDGES.left, x2: width - EDGES.right, y1: scale.y(rate), y2: scale.y(rate) }),
    h("text", { className: "axis", x: EDGES.left - 6, y: scale.y(rate) + 4, textAnchor: "end" }, speed(rate)),
  );

function Line({ rates, scale }) {
  if (rates.length === 0) return null;
  const points = rates.map((each) => `${scale.x(each.at).toFixed(1)},${scale.y(each.rate).toFixed(1)}`).join(" ");
  const [first, last] = [rates[0], rates.at(-1)].map((each) => scale.x(each.at).toFixed(1));
  const ground = scale.y(0);
  return h(
    "g",
    null,
    h("polygon", { className: "rate-area", points: `${first},${ground} ${points} ${last},${ground}` }),
    h("polyline", { className: "rate-line", points }),
  );
}

const Times = ({ last, scale, width }) =>
  Array.from({ length: MINUTES + 1 }, (_, minutes) => minutes)
    .filter((minutes) => width > 420 || minutes % MINUTES === 0)
    .map((minutes) =>
      h(
        "text",
        {
          key: minutes,
          className: "axis",
          x: scale.x(last.at - minutes * 60_000),
          y: HEIGHT - 6,
          textAnchor: minutes ? "middle" : "end",
        },
        minutes === 0 ? t("time.now") : t("engine.minutes_ago", { value: minutes }),
      ),
    );
