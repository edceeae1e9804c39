// An import under way: what is sent, and how much of it is stored.
import { call } from "../../api.js";
import { duration, number, percent, t } from "../../i18n.js";
import { h, useEffect, useState } from "../../kit/lib.js";
import { Button, Card } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";

const POLL_MS = 500;
const TICK_MS = 500;
const TRUSTED_SECONDS = 1.5; // before that a speed is guesswork
const UNKNOWN_SECONDS = 4;

/** {share, rows} of what is stored, see admin/import_run.py; where nobody can tell, what is sent has to do. */
export function reached({ stored, sent, file, preview }, seconds = UNKNOWN_SECONDS) {
  if (stored) {
    const isRead = stored.read_bytes >= file.size;
    // Bytes are counted in pieces of up to a megabyte, rows by the thousand; how many there are is an estimate.
    const ofRows = stored.rows / Math.max(1, preview.estimated_rows);
    return { share: isRead ? 1 : Math.min(0.99, Math.max(stored.read_bytes / file.size, ofRows)), rows: stored.rows };
  }
  const share = seconds < UNKNOWN_SECONDS ? 0 : sent;
  return { share, rows: Math.floor(share * preview.estimated_rows) };
}

export function Running({ run, onStored, cancel }) {
  const seconds = useSecondsSince(run.began);
  usePoll(
    async (signal) => {
      const found = await call("/clients/import_progress", { query: { key: run.id }, signal });
      if (found) onStored(found);
    },
    POLL_MS,
    run.id,
  );
  const { share, rows } = reached(run, seconds);
  const words = t(run.preview.is_whole ? "import.progress" : "import.progress_about", {
    rows,
    total: Math.max(rows, run.preview.estimated_rows),
  });
  return h(
    Card,
    {
      title: t("import.running", { name: run.file.name }),
      actions: h(Button, { kind: "danger", onClick: cancel }, t("import.cancel")),
    },
    h(Bar, { share, sent: run.sent, words }),
    h(
      "div",
      { className: "import-numbers" },
      h("strong", null, percent(Math.floor(100 * share) / 100)),
      h("span", null, words),
      h(Speed, { share, rows, seconds }),
    ),
    h("p", { className: "muted" }, t("import.stay")),
  );
}

/** Dark: stored; light: sent. */
const Bar = ({ share, sent, words }) =>
  h(
    "div",
    {
      className: `import-bar ${share >= 1 ? "last" : ""}`,
      role: "progressbar",
      "aria-label": words,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.floor(100 * share),
    },
    h("div", { className: "bar-busy", style: { width: `${100 * share}%` } }),
    h("div", { className: "bar-sent-only", style: { width: `${100 * Math.max(0, sent - share)}%` } }),
  );

function Speed({ share, rows, seconds }) {
  if (share >= 1) return h("span", null, t("import.last_rows"));
  if (seconds < TRUSTED_SECONDS || share === 0) return null;
  const left = (seconds * (1 - share)) / share;
  return [
    h("span", { key: "speed" }, t("import.speed", { speed: number(rows / seconds, 0) })),
    h("span", { key: "left" }, t("import.left", { time: duration(left) })),
  ];
}

/** Seconds since a moment of performance.now(), as they pass. */
function useSecondsSince(began) {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, now - began) / 1000;
}
