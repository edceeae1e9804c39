// What the mailing would be, asked of the engine as one writes.
import { rest, sentence } from "../../api.js";
import { fromNow, moment, money, perSecond, t } from "../../i18n.js";
import { h, useRef } from "../../kit/lib.js";
import { Card, Facts, Loading, Notice, Stale, Trouble } from "../../kit/parts.js";
import { useDebounced, usePoll } from "../../kit/poll.js";
import { isUnfinished } from "./conditions.js";
import { bodyOf, problemsOf } from "./draft.js";
import { Greenwich, Night } from "./night.js";
import { Bubble, clientsWords, isForAll, lateOf, recipientsWords, segmentsWords } from "./parts.js";
import { isPersonal } from "./placeholders.js";

const SETTLE_MS = 350;
const AGAIN_MS = 10_000;
export const STAND_IN = "-"; // so that the audience is known before there is a text

/** What the engine says of a mailing with these values. */
export const askPreview = (values, mailingId, signal) =>
  rest("/mailings/preview", {
    method: "POST",
    signal,
    query: { by_time_zone: true, mailing_id: mailingId },
    body: bodyOf(values),
  });

/**
 * `mailingId`: of the mailing that is edited; what it has sent is not counted.
 * {preview, error, stale, unasked, counted}: the engine's last answer; `stale` while a newer one is on its way. `unasked`: the
 * values have problems that the engine need not be asked about. `counted`: the answer, if it is about the text as it is.
 */
export function usePreview(values, mailingId) {
  const settled = useDebounced(values, SETTLE_MS);
  const { text: _, filter: __, ...problems } = problemsOf({ ...settled, text: settled.text || STAND_IN });
  const unasked = Object.keys(problems).length > 0 || Boolean(problemsOf(settled).text && settled.text);
  const load = async (signal) => {
    if (unasked) return null;
    const preview = await askPreview(
      { ...settled, text: settled.text || STAND_IN, filter: finished(settled.filter) },
      mailingId,
      signal,
    );
    return settled.text ? preview : { ...preview, segments: 0 };
  };
  const { data, error } = usePoll(load, unasked ? 0 : AGAIN_MS, JSON.stringify(settled));
  const last = useRef(null);
  if (data) last.current = data;
  const stale = JSON.stringify(values) !== JSON.stringify(settled) || (!data && !error);
  return {
    preview: last.current,
    isEdit: Boolean(mailingId),
    error,
    unasked,
    stale,
    counted: !stale && values.text ? data : null,
  };
}

/** Without the conditions that are still being made. */
const finished = (filter) => ({ ...filter, attributes: filter.attributes.filter((each) => !isUnfinished(each)) });

/** Beside the form: whom the text reaches, what it takes, and whether there is time enough. */
export function Preview({ values, result, children }) {
  const { preview, isEdit, error, unasked, stale } = result;
  return h(
    Card,
    { title: t("mailings.preview"), className: "m-preview" },
    h(Bubble, { text: shownText(values.text, result.counted) }),
    unasked && h(Notice, { tone: "warn" }, t("mailings.preview.unasked")),
    h(Trouble, { error, aside: true }),
    preview && h(Stale, { stale: stale || unasked || Boolean(error) }, h(Numbers, { values, preview, isEdit })),
    !preview && !error && !unasked && h(Loading),
    children,
  );
}

/** As the first client gets it, as soon as the engine has said so. */
const shownText = (text, counted) => counted?.samples[0]?.text || text || t("mailings.preview.no_text");

function Numbers({ values, preview, isEdit }) {
  const { audience, recipients, segments, forecast, incomplete, warnings } = preview;
  const { completion_time: done, missed, rate_per_second: rate, next_open_time: first } = forecast;
  const late = lateOf(preview);
  return h(
    "div",
    { role: "status", "aria-label": t("mailings.preview") },
    h(
      "p",
      { className: "m-preview-audience" },
      h("strong", null, recipientsWords(preview)),
      " ",
      h(
        "span",
        { className: "muted" },
        isEdit ? t("mailings.preview.unsent", { smart_count: recipients }) : reach(values.filter, preview),
      ),
    ),
    preview.suppressed > 0 &&
      h("p", { className: "muted" }, t("mailings.preview.suppressed", { smart_count: preview.suppressed })),
    h(Facts, {
      rows: [
        each(values.text, preview),
        fact("in_all", segments ? segmentsWords(preview.segments_total) : "—"),
        preview.cost !== null && fact("cost", money(preview.cost)),
        incomplete > 0 && fact("incomplete", clientsWords(incomplete), true),
        fact("speed", rate > 0 ? perSecond(rate) : t("mailings.preview.no_speed")),
        first && values.local_hours && fact("first", `${moment(first)} (${fromNow(first)})`),
        fact(
          "done",
          done
            ? `${moment(done)} (${fromNow(done)})`
            : recipients === 0 || (rate === 0 && missed === 0)
              ? "—"
              : t("mailings.preview.not_before_end"),
        ),
        fact(
          "missed",
          rate > 0 || late > 0 || audience === 0 ? t("mailings.preview.missed", { smart_count: late }) : "—",
          late > 0,
        ),
      ].filter(Boolean),
    }),
    recipients > 0 && h(Night, { values, preview }),
    h(Greenwich, { values, preview }),
    warnings.map((each) => h(Notice, { key: JSON.stringify(each), tone: "warn" }, sentence(each))),
    audience === 0 && h(Notice, { tone: "warn" }, t(`mailings.preview.nobody.${values.audience}`)),
    incomplete > 0 && recipients === 0 && h(Notice, { tone: "warn" }, t("mailings.preview.nobody.complete")),
    late > 0 &&
      h(
        Notice,
        { tone: "warn", title: t("mailings.missed.title", { smart_count: late }) },
        t(values.local_hours ? "mailings.preview.missed_hours" : "mailings.preview.missed_what"),
      ),
  );
}

const fact = (key, value, bad = false) => ({
  key,
  label: t(`mailings.preview.fact.${key}`),
  value,
  tone: bad ? "bad" : "",
});

/** What a text takes; one that says something of clients is of another length for each. */
function each(text, { segments, segments_max: most, encoding }) {
  if (!segments) return fact("each", "—");
  if (isPersonal(text)) return fact("each_most", most > 0 ? segmentsWords(most) : "—");
  return fact("each", `${segmentsWords(segments)} · ${t(`mailings.encoding.${encoding}`)}`);
}

function reach(filter, { audience, recipients }) {
  if (recipients < audience) return t("mailings.preview.get_text", { smart_count: recipients });
  return t(isForAll(filter) ? "mailings.preview.everyone" : "mailings.preview.of_filter", { smart_count: recipients });
}
