// A mailing while it is written: the form's values, what they mean to the engine, and what is wrong with them.
import { isAway } from "../../api.js";
import { t } from "../../i18n.js";
import { isUnfinished } from "./conditions.js";
import { DAYTIME } from "./night.js";
import { lengthOf, TEXT_MAX } from "./sms.js";
import { after, DAY } from "./times.js";

const RATE_MAX = 100_000;
const BUDGET_MAX = 1_000_000_000;
export const FIELDS = [
  "name",
  "text",
  "filter",
  "audience",
  "start_time",
  "end_time",
  "local_hours",
  "rate_limit",
  "budget",
  "on_uncertain",
  "provider",
  "sender",
];

/** The values of a new mailing; a start of null is "at once". `filter`: conditions that are set already. Who has a
 * message of another mailing is settled when this one is made: for them it need not stay open. */
export const blank = (filter) => ({
  name: "",
  text: "",
  filter: { tags: [], phone_codes: [], exclude_tags: [], attributes: [], client_ids: [], messages: null, ...filter },
  audience: filter?.messages ? "fixed" : "live",
  start_time: null,
  end_time: after(null, DAY),
  local_hours: DAYTIME,
  rate_limit: "",
  budget: "",
  on_uncertain: "resend",
  provider: "",
  sender: "",
});

/** A registered mailing as the form holds it. */
export const valuesOf = ({
  name,
  text,
  filter,
  audience,
  start_time,
  end_time,
  local_hours,
  rate_limit,
  budget,
  on_uncertain,
  provider,
  sender,
}) => ({
  name,
  text,
  filter,
  audience,
  start_time,
  end_time,
  local_hours,
  rate_limit: rate_limit === null ? "" : String(rate_limit),
  budget: budget === null ? "" : String(budget),
  on_uncertain,
  provider: provider ?? "",
  sender: sender ?? "",
});

/** The same mailing once more: at once, and for as long as the first one, but a day at least. */
export function copyOf(mailing) {
  const length = Math.max(DAY, new Date(mailing.end_time) - new Date(mailing.start_time));
  return { ...valuesOf(mailing), start_time: null, end_time: after(null, length) };
}

/** The values as the engine takes them. */
export const bodyOf = ({
  name,
  text,
  filter,
  audience,
  start_time: start,
  end_time: end,
  local_hours,
  rate_limit: rate,
  budget,
  on_uncertain,
  provider,
  sender,
}) => ({
  name: name.trim(),
  text,
  filter,
  audience,
  start_time: start ?? new Date().toISOString(),
  end_time: end,
  local_hours,
  rate_limit: numberOf(rate),
  budget: numberOf(budget),
  on_uncertain,
  provider: provider || null,
  sender: sender || null,
});

/** What a field says; null: it is empty. */
const numberOf = (typed) => (typed.trim() ? Number(typed.trim().replace(",", ".")) : null);

/** What can be told without the engine, by field: {field: words}. */
export function problemsOf(values) {
  const found = {
    text: textProblem(values.text),
    filter: values.filter.attributes.some(isUnfinished) && t("mailings.bad.condition"),
    start_time: values.start_time === "" && t("mailings.bad.time"),
    end_time: endProblem(values),
    local_hours: hoursProblem(values.local_hours),
    rate_limit: numberProblem(values.rate_limit, RATE_MAX, "mailings.bad.rate"),
    budget: numberProblem(values.budget, BUDGET_MAX, "mailings.bad.budget"),
  };
  return Object.fromEntries(Object.entries(found).filter(([, words]) => words));
}

function textProblem(text) {
  const length = lengthOf(text);
  if (length === 0) return t("mailings.bad.text");
  return length > TEXT_MAX && t("mailings.bad.text_long", { most: TEXT_MAX, over: length - TEXT_MAX });
}

function endProblem({ start_time: start, end_time: end }) {
  if (end === "") return t("mailings.bad.time");
  if (start && new Date(end) <= new Date(start)) return t("mailings.bad.end_before_start");
  return new Date(end) <= Date.now() && t("mailings.bad.end_past");
}

function hoursProblem(hours) {
  if (!hours) return null;
  if (!hours.from || !hours.to) return t("mailings.bad.hours");
  return hours.from === hours.to && t("mailings.bad.hours_same");
}

function numberProblem(typed, most, words) {
  const value = numberOf(typed);
  return value !== null && !(value > 0 && value <= most) && t(words, { most });
}

/**
 * What a person and somebody else have both changed, and not alike, as an error by field; undefined: nothing. All three are
 * bodies, see `bodyOf`: of the mailing as the person has found it, as they want it, and as it is now.
 */
export function overtaken(found, mine, now) {
  const differ = (field, one, other) => JSON.stringify(one[field]) !== JSON.stringify(other[field]);
  const both = FIELDS.filter(
    (field) => differ(field, found, now) && differ(field, found, mine) && differ(field, mine, now),
  );
  if (both.length === 0) return undefined;
  const words = (value) =>
    typeof value === "string" && value ? t("mailings.form.overtaken_by", { value }) : t("mailings.form.overtaken");
  const errors = Object.fromEntries(
    both.map((field) => [field, words(["name", "text"].includes(field) && now[field])]),
  );
  return Object.assign(new Error(t("mailings.form.bad")), { status: 412, body: { errors } });
}

/** The fields that an error of the engine names, in words, and what it says beside them. */
export function refusal(error) {
  const fields = Object.fromEntries(
    Object.entries(error.body?.errors ?? {}).filter(([field]) => FIELDS.includes(field)),
  );
  // With a time to try again it is the first try of the same click that still runs.
  const isField = Object.keys(fields).length > 0;
  if (error.status === 409 && !error.retrySeconds && !isField) return { fields, whole: t("mailings.closed_form") };
  if (isAway(error)) return { fields, whole: t("mailings.form.away") };
  return { fields, whole: isField ? t("mailings.form.bad") : error.message };
}
