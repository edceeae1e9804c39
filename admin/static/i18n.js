// English and Russian: our words and react-admin's, and how numbers and times are written.
import access from "./words/access.js";
import calls from "./words/calls.js";
import clients from "./words/clients.js";
import common from "./words/common.js";
import dashboard from "./words/dashboard.js";
import engine from "./words/engine.js";
import mailings from "./words/mailings.js";
import messages from "./words/messages.js";
import problems from "./words/problems.js";
import ra from "./words/ra.js";
import stopList from "./words/stop_list.js";
import twoStep from "./words/two_step.js";
import webhooks from "./words/webhooks.js";
import zones from "./words/zones.js";

const AREAS = [
  ra,
  common,
  problems,
  calls,
  dashboard,
  mailings,
  clients,
  messages,
  stopList,
  engine,
  webhooks,
  access,
  twoStep,
  zones,
];
const WORDS = {
  en: Object.assign({}, ...AREAS.map((area) => area.en)),
  ru: Object.assign({}, ...AREAS.map((area) => area.ru)),
};
export const LANGUAGES = [
  { locale: "en", name: "English" },
  { locale: "ru", name: "Русский" },
];
const KEY = "mailing.language"; // react-admin forgets its own at sign-out

let language = chosen();
document.documentElement.lang = language;

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept in WORDS) return kept;
  const wanted = (navigator.languages ?? [navigator.language]).map((each) => each.slice(0, 2));
  return wanted.find((each) => each in WORDS) ?? "en";
}

export const locale = () => language;

export function changeLocale(wanted) {
  language = wanted in WORDS ? wanted : "en";
  localStorage.setItem(KEY, language);
  document.documentElement.lang = language;
  return Promise.resolve();
}

/** The words for a key, or undefined. */
export const known = (key) => WORDS[language][key];

/**
 * The words for a key. `%{name}` is replaced by `vars.name`, numbers as people write them; of forms that `||||` separates
 * `vars.smart_count` chooses: one, other in English; one, few, many in Russian.
 */
export function t(key, vars = {}) {
  const words = WORDS[language][key] ?? vars._ ?? WORDS.en[key] ?? key;
  const forms = words.split("||||");
  const form = forms.length > 1 && typeof vars.smart_count === "number" ? formOf(vars.smart_count, forms.length) : 0;
  return forms[form].trim().replace(/%\{(\w+)\}/g, (whole, name) => {
    const value = vars[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : String(value);
  });
}

function formOf(count, forms) {
  const names = language === "ru" && forms > 2 ? ["one", "few", "many"] : ["one", "other"];
  const found = names.indexOf(format(Intl.PluralRules).select(count));
  return found < 0 ? forms - 1 : Math.min(found, forms - 1);
}

/**
 * What is wrong, as REST says it (docs/error-codes.md).
 * @typedef {object} Fault
 * @property {string} message  in English
 * @property {string} [code]
 * @property {Record<string, string>} [arguments]  the values in the message
 */

/**
 * An error in the person's language, by its code; one that we have no words for says its own.
 * @param {Fault} fault
 * @returns {string}
 */
export function said({ message, code, arguments: values = {} }) {
  const key = `code.${code}`;
  return known(key) === undefined ? message : t(key, withNumbers(values));
}

// Values come as texts. These are amounts, written as people write numbers; ids, lines and names stay as they are.
const AMOUNTS = ["min", "max", "count"];

const withNumbers = (values) => {
  const written = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, writtenOf(name, value)]));
  // Forms of an error's words are of what it counts.
  return { ...written, smart_count: written.count };
};

function writtenOf(name, value) {
  if (AMOUNTS.includes(name)) return amount(value);
  return name === "character" ? withoutName(value) : value;
}

/** A character as engine/domain/phone.py says it, `";" (SEMICOLON)`: its name is English. */
const withoutName = (text) => (language === "en" ? text : text.replace(/ \([A-Z0-9 -]+\)$/, ""));

const amount = (text) => (/^\d+$/.test(text) ? Number(text) : text);

// Sentences about calls with values in them, those with the most words of their own first.
const SENTENCES = Object.keys(calls.en)
  .filter((key) => key.includes("%{"))
  .map((key) => ({ key, parts: key.slice("call.".length).split(/%\{(\w+)\}/) }))
  .map(({ key, parts }) => ({
    key,
    names: parts.filter((_, at) => at % 2),
    fixed: parts.filter((_, at) => at % 2 === 0),
  }))
  .sort((one, other) => other.fixed.join("").length - one.fixed.join("").length)
  .map(({ key, names, fixed }) => ({ key, names, pattern: new RegExp(`^${fixed.map(escaped).join("(.+)")}$`, "s") }));

function escaped(words) {
  return words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** What the engine says of a call to the provider, in the person's language where we know the sentence. */
export function saidOfCall(words) {
  const whole = known(`call.${words}`);
  if (whole !== undefined) return whole;
  for (const { key, names, pattern } of SENTENCES) {
    const found = pattern.exec(words);
    if (found) return t(key, Object.fromEntries(names.map((name, at) => [name, found[at + 1]])));
  }
  return words;
}

export const i18nProvider = {
  translate: t,
  changeLocale,
  getLocale: locale,
  getLocales: () => LANGUAGES,
};

// -- numbers and times ------------------------------------------------------------------------------

const formats = new Map();
function format(kind, options) {
  const key = `${language} ${kind.name} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new kind(language === "en" ? "en-GB" : language, options));
  return formats.get(key);
}

export const number = (value, digits = 1) => format(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);

/** Money of whatever kind the providers' prices are. */
export const money = (value) =>
  format(Intl.NumberFormat, { minimumFractionDigits: 2, maximumFractionDigits: 6 }).format(value);

export const percent = (share, digits = 1) =>
  format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: digits }).format(share);

/** The time zone in which the person reads times. */
export const timeZone = () => format(Intl.DateTimeFormat).resolvedOptions().timeZone;

/** A client's time zone as people write it: the database's `Etc/GMT-6` is six hours before Greenwich, `UTC+6`. */
export const zoneName = (zone) =>
  zone.replace(/^Etc\/GMT([+-])(\d+)$/, (_, sign, hours) => `UTC${sign === "-" ? "+" : "−"}${hours}`);

/** A date and time in the person's own zone. */
export const dateTime = (iso, options = {}) =>
  iso
    ? withoutYearWord(
        format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short", ...options }).format(new Date(iso)),
      )
    : "—";

/** Russian dates end in "г.", which is wider than it is worth in a table. */
const withoutYearWord = (date) => date.replace(/[\s\u00a0\u202f]г\./, "");

export const clock = (iso, seconds = false) =>
  iso ? format(Intl.DateTimeFormat, { timeStyle: seconds ? "medium" : "short" }).format(new Date(iso)) : "—";

/** A length of time in its two largest units: "2 h 5 min". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "—";
  const total = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(total / 86_400), "unit.day"],
    [Math.floor(total / 3600) % 24, "unit.hour"],
    [Math.floor(total / 60) % 60, "unit.minute"],
    [total % 60, "unit.second"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return t("unit.second", { value: 0 });
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => t(unit, { value })).join(" ");
}

/** A time as seen from now: "in 5 min", "2 h ago". */
export function fromNow(iso, now = Date.now()) {
  const seconds = (new Date(iso) - now) / 1000;
  if (Math.abs(seconds) < 1) return t("time.now");
  return t(seconds > 0 ? "time.in" : "time.ago", { time: duration(Math.abs(seconds)) });
}

/** A moment as short as it can be said: the year only when it is another one. */
export function moment(iso) {
  const year = new Date(iso).getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return dateTime(iso, {
    dateStyle: undefined,
    timeStyle: undefined,
    day: "numeric",
    month: "short",
    year,
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** The same, and of today the clock alone. */
export const momentOrClock = (iso) =>
  new Date(iso).toDateString() === new Date().toDateString() ? clock(iso) : moment(iso);

/** How long a call took: milliseconds below a second; null: nobody knows. */
export function latency(seconds) {
  if (seconds === null) return "—";
  return seconds < 1
    ? t("unit.millisecond", { value: number(1000 * seconds, seconds < 0.01 ? 1 : 0) })
    : t("unit.second", { value: seconds });
}

/** A speed in the fewest digits that tell it, without its unit. */
export const speed = (perSecond) => number(perSecond, perSecond < 10 ? 1 : 0);

/** A speed with its unit; a limit may be small. */
export const perSecond = (rate) => (rate > 0 ? t("unit.per_second", { value: number(rate, rate < 1 ? 3 : 1) }) : "—");
