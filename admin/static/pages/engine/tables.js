// The engines on the database, and the parts of the one that answers.
import { duration, t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Card, Chip, Table, Time } from "../../kit/parts.js";

const SILENT_SECONDS = 15; // the engine calls another one lost after so long: engine/api/overview.py

/** How long ago each engine gave a sign of life, in seconds: by the engines' clocks, the browser's may go wrong. */
function silences(engines) {
  const times = engines.map((each) => Date.parse(each.heartbeat_time));
  const latest = Math.max(...times);
  return times.map((time) => (latest - time) / 1000);
}

export function EnginesCard({ engine }) {
  const silent = silences(engine.engines);
  const rows = engine.engines.map((each, index) => ({ ...each, silent: silent[index] }));
  return h(
    Card,
    { title: t("engine.engines") },
    h("p", { className: "plain muted small" }, t("engine.engines_words")),
    h(Table, {
      rows,
      columns: [
        {
          key: "name",
          label: t("engine.name"),
          render: (row) => h(EngineName, { row, answers: row.id === engine.engine_id }),
        },
        { key: "start", label: t("engine.started"), render: (row) => h(Time, { value: row.start_time }) },
        { key: "heartbeat", label: t("engine.heartbeat"), render: (row) => ago(row.silent) },
        { key: "workers", label: t("engine.workers"), numeric: true },
        { key: "in_flight", label: t("engine.at_work"), numeric: true },
      ],
    }),
  );
}

const ago = (seconds) => (seconds < 1 ? t("time.now") : t("time.ago", { time: duration(seconds) }));

const EngineName = ({ row, answers }) =>
  h(
    "span",
    { className: "row" },
    h("span", null, row.name),
    answers && h(Chip, { tone: "busy" }, t("engine.this_one")),
    row.silent > SILENT_SECONDS && h(Chip, { tone: "bad" }, t("engine.silent")),
  );

/** A part's name in words; one that is not known is called as the engine calls it. */
export function partName(name) {
  const worker = /^worker-(\d+)$/.exec(name);
  return worker ? t("engine.part.worker", { number: worker[1] }) : t(`engine.part.${name}`, { _: name });
}

const stateOf = ({ healthy }) =>
  h(Chip, { tone: healthy ? "good" : "bad" }, t(healthy ? "engine.well" : "engine.unwell"));

export const ActorsCard = ({ actors }) =>
  h(
    Card,
    { title: t("engine.actors") },
    h(Table, {
      rows: actors.map((each) => ({ ...each, id: each.name })),
      columns: [
        {
          key: "name",
          label: t("engine.part"),
          render: (row) => h("span", { className: "cell-words" }, partName(row.name)),
        },
        { key: "healthy", label: t("engine.state"), render: stateOf },
        { key: "restarts", label: t("engine.restarts"), numeric: true },
        {
          key: "detail",
          label: t("engine.last_failure"),
          render: (row) => h("span", { className: "cell-words" }, row.detail || "—"),
        },
      ],
    }),
  );
