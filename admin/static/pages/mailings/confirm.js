// Before a mailing goes to anybody: how many, when, who is left out, and the text as the first ones will see it.
import { sentence } from "../../api.js";
import { moment, money, number, t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Dialog, Facts, Notice } from "../../kit/parts.js";
import { HaveIt } from "./have_it.js";
import { Night } from "./night.js";
import { Audience, Bubble, lateOf, recipientsWords } from "./parts.js";
import { beginsNow, submitWords } from "./submit.js";

/** For more clients than this the number is to be typed: MAILING_CONFIRM_ABOVE. */
const CONFIRM_ABOVE = Number(document.body.dataset.confirmAbove);

/** `preview`: the engine's, of these values; `onAnswer(yes)`. `isNew`: it is registered, and not changed; `copy`: like this one. */
export function Confirm({ values, preview, copy, isNew, onAnswer }) {
  const [typed, setTyped] = useState("");
  const no = () => onAnswer(false);
  const isTyped = preview.recipients <= CONFIRM_ABOVE || digits(typed) === String(preview.recipients);
  const title = isNew ? (beginsNow(values, preview) ? "title_send" : "title_schedule") : "title_save";
  const actions = [
    h(Button, { key: "no", onClick: no }, t("mailings.confirm.back")),
    h(
      Button,
      { key: "yes", kind: "primary", disabled: !isTyped, onClick: () => onAnswer(true) },
      isNew ? submitWords(values, { preview }) : t("action.save"),
    ),
  ];
  return h(
    Dialog,
    { title: t(`mailings.confirm.${title}`), onClose: no, actions, wide: true },
    h(Outcome, { values, preview, copy }),
    preview.recipients > CONFIRM_ABOVE && h(Typed, { count: preview.recipients, typed, setTyped, isTyped }),
  );
}

const digits = (text) => text.replace(/\D/g, "");

/** The number, to be typed by whoever has read it. */
const Typed = ({ count, typed, setTyped, isTyped }) =>
  h(Input, {
    label: t("mailings.confirm.type", { count }),
    className: "m-confirm-number",
    value: typed,
    onChange: setTyped,
    inputMode: "numeric",
    autoComplete: "off",
    autoFocus: true,
    error: !isTyped && digits(typed).length >= String(count).length ? t("mailings.confirm.wrong") : undefined,
  });

function Outcome({ values, preview, copy }) {
  const { samples = [], warnings = [] } = preview;
  const texts = samples.length > 0 ? samples.map((each) => each.text) : [values.text];
  return h(
    "div",
    { className: "m-confirm" },
    h(
      "div",
      { className: "stack" },
      h(Facts, { rows: [...plan(values, preview), ...leftOut(preview)] }),
      h(Night, { values, preview }),
      copy && h(HaveIt, { copy, values }),
      warnings.map((each) => h(Notice, { key: `${each.code} ${each.field}`, tone: "warn" }, sentence(each))),
    ),
    h(
      "div",
      { className: "stack" },
      h("h3", null, t(samples.length > 0 ? "mailings.confirm.samples" : "mailings.text")),
      texts.map((text, index) => h(Bubble, { key: samples[index]?.client_id ?? "text", text })),
    ),
  );
}

function plan(values, preview) {
  const { segments_total: all, segments_max: most } = preview;
  const { start_time: start, end_time: end, local_hours: hours } = values;
  const { completion_time: done, next_open_time: first } = preview.forecast;
  const rows = [
    ["to", h("strong", null, recipientsWords(preview)), h(Audience, { filter: values.filter })],
    ["later", t(`mailings.later.${values.audience}`)],
    ["segments", number(all), most > 1 && t("mailings.confirm.segments_max", { smart_count: most })],
    preview.cost !== null && ["cost", money(preview.cost)],
    values.budget.trim() && ["budget", values.budget.trim()],
    values.provider && ["provider", values.provider],
    values.sender && ["sender", values.sender],
    ["start", first ? moment(first) : start === null ? t("mailings.confirm.at_once") : moment(start)],
    ["hours", hours ? t("mailings.hours", hours) : t("mailings.confirm.any_hour")],
    done && ["done", moment(done)],
    ["end", moment(end)],
  ];
  return rows.filter(Boolean).map(([key, value, hint]) => ({ key, label: labelOf(key), value, hint }));
}

const ELSEWHERE = { later: "mailings.later", provider: "mailings.fact.provider", sender: "mailings.fact.sender" };
const labelOf = (key) => t(ELSEWHERE[key] ?? `mailings.confirm.${key}`);

/** Who matches and is not sent to, and why; and how many of the others there may be no time for, who count as sent to. */
function leftOut(preview) {
  const { suppressed, incomplete } = preview;
  const late = lateOf(preview);
  const why = Object.entries({ suppressed, incomplete }).filter(([, count]) => count > 0);
  const lines = why.map(([key, count]) => t(`mailings.confirm.${key}`, { smart_count: count }));
  const value = lines.length > 0 ? lines.join("\n") : t("mailings.confirm.nobody");
  const rows = [
    {
      key: "left_out",
      label: t("mailings.confirm.left_out"),
      value: h("span", { className: "prewrap" }, value),
      tone: lines.length > 0 ? "bad" : "",
    },
    late > 0 && {
      key: "late",
      label: t("mailings.confirm.late"),
      value: t("mailings.confirm.missed", { smart_count: late }),
      tone: "bad",
    },
  ];
  return rows.filter(Boolean);
}
