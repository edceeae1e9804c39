// The audit list's codes in words. What is not known here (of a newer engine) is shown as it is.
import { isAdmin } from "../../api.js";
import { dateTime, known, number, t } from "../../i18n.js";
import { conditionWords } from "../mailings/conditions.js";
import { thoseWords } from "../mailings/those.js";

export const TYPES = ["mailing", "client", "suppression", "account", "token", "webhook", "engine"];
export const KINDS = ["account", "token", "command", "system", "nobody"];
export const ACTIONS = Object.entries({
  mailing: ["create", "update", "pause", "resume", "cancel", "archive", "unarchive", "delete", "test"],
  client: ["create", "update", "delete", "erase", "import", "batch_update", "batch_delete"],
  suppression: ["add", "remove", "import"],
  account: [
    "create",
    "update",
    "revoke",
    "password",
    "totp_enable",
    "totp_disable",
    "totp_reset",
    "recovery_code",
    "recovery_codes",
  ],
  session: ["create", "delete", "refuse"],
  token: ["create", "revoke"],
  webhook: ["create", "update", "delete", "test"],
  engine: ["control", "hold", "backup"],
}).flatMap(([type, verbs]) => verbs.map((verb) => `${type}.${verb}`));
const ACTORS = { nobody: "audit.actor.unknown", command: "audit.actor.command", system: "audit.actor.settings" };
const OLDER = { "(unknown)": ACTORS.nobody, "python -m engine": ACTORS.command }; // from before kinds were noted

/** Who it was: {words, kind}; a token and an account may have the same name, so its kind and number stand with it. */
export function actorOf({ actor, actor_kind: kind, actor_id: id, peer }) {
  if (kind in ACTORS) return { words: t(ACTORS[kind]) };
  if (kind) return { words: actor, kind: t("audit.numbered", { kind: t(`audit.kind.${kind}`), id: String(id) }) };
  if (actor === "settings" && peer === "") return { words: t(ACTORS.system) }; // an account may have that name, but it has an address
  return { words: actor in OLDER ? t(OLDER[actor]) : actor };
}

/** Where the request came from: the address without gRPC's way of writing it. */
export function placeOf(peer) {
  const [first] = peer.split(" via ");
  const [, address] = /^ipv[46]:(.*):\d+$/.exec(first) ?? [];
  return (address ?? first).replace(/^(\[|%5B)|(\]|%5D)$/g, "") || "—";
}

/** What it was done to: {words, to}; `to` is its page, when it has one that the person may see. */
export function objectOf({ object_type: type, object_id: id, detail, has_page: hasPage }) {
  const kind = known(`audit.object.${type}`) ?? type;
  if (type === "engine") return { words: kind, to: "/engine" };
  if (type === "suppression") return { words: kind, to: "/suppressions" };
  if (id === null)
    return type === "client"
      ? { words: t("resources.clients.name", { smart_count: 2 }), to: "/clients" }
      : { words: t(type === "account" ? "audit.no_account" : "audit.nothing") };
  const name = type === "client" ? "" : detail?.name;
  const numbered = t("audit.numbered", { kind, id: String(id) });
  return {
    words: !name ? numbered : type === "mailing" ? `${numbered} · ${name}` : `${kind} ${name}`,
    to: pageOf(type, id, hasPage),
  };
}

function pageOf(type, id, hasPage) {
  if (hasPage) return `/${type}s/${id}/show`;
  return isAdmin() && ["account", "token", "webhook"].includes(type) ? `/${type}s` : null;
}

// The engine keeps them in no order.
const ORDER = [
  "name",
  "role",
  "text",
  "phone_number",
  "phone_code",
  "tag",
  "tags",
  "phone_codes",
  "exclude_tags",
  "attributes",
  "client_ids",
  "messages",
  "audience_fixed",
  "start_us",
  "end_us",
  "local_hours",
  "time_zone",
  "rate_limit",
  "budget",
  "cost",
  "on_uncertain",
];
const ANY = ["tags", "phone_codes"];
const isMissing = (value) => value === null || value === "" || (Array.isArray(value) && value.length === 0);
const minute = (minutes) =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

const has = (object, key) => Object.hasOwn(object, key);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** By names; what is in a mailing's filter stands beside the rest. */
function opened(detail) {
  if (!isObject(detail)) return {};
  const { filter, ...rest } = detail;
  return isObject(filter) ? { ...rest, ...filter } : detail;
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * What an event notes, as rows {key, label, value, isChange}: objects laid open, times and switches in words, of a change what was
 * there before and what is now. What there is none of is left out. `type`: of the object, which may have names of its own.
 */
export function rowsOf(detail, type) {
  const { before, ...rest } = isObject(detail) ? detail : { detail };
  const [old, now] = [opened(before), opened(rest)];
  const place = (key) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  return Object.entries(now)
    .filter(([key, value]) => (has(old, key) ? !isSame(value, old[key]) : !isMissing(value) || ANY.includes(key)))
    .sort(([one], [other]) => place(one) - place(other))
    .map(([key, value]) => ({
      key,
      label: known(`audit.detail.${type}.${key}`) ?? known(`audit.detail.${key}`) ?? key,
      value: has(old, key) ? `${inWords(key, old[key])} → ${inWords(key, value)}` : inWords(key, value),
      isChange: has(old, key),
    }));
}

/** A condition on an attribute; its values are kept as JSON. A change to a client notes the names of attributes alone. */
const conditionOf = ({ values, ...rest }) =>
  conditionWords({ ...rest, values: values.map((value) => JSON.parse(value)) });

/** A value in words. One of a shape that is not known, of another engine's event, is shown as it is: the rest of the page stays. */
function inWords(key, value) {
  if (isMissing(value)) return t(ANY.includes(key) ? "audit.any" : "audit.nothing");
  try {
    return (has(OF_KEY, key) && OF_KEY[key](value)) || plain(key, value);
  } catch {
    return plain("", value);
  }
}

const momentOf = (us) => dateTime(new Date(us / 1000).toISOString(), { timeStyle: "medium" });

/** What is said of these otherwise than of others; undefined, or an error: it has not the shape for that. */
const OF_KEY = {
  start_us: momentOf,
  end_us: momentOf,
  messages: (value) => thoseWords(value, t("mailings.number", { id: String(value.mailing_id) })),
  attributes: (value) => (value.every(isObject) ? value.map(conditionOf).join("; ") : undefined),
  audience_fixed: (value) => t(`mailings.later.${value ? "fixed" : "live"}`),
  local_hours: (value) => (isObject(value) ? `${minute(value.from_minute)}–${minute(value.to_minute)}` : undefined),
  reason: (value) => known(`stop.reason.${value}`),
  source: (value) => known(`stop.source.${value}`),
  sent_time: (value) => dateTime(value),
  role: (value) => known(`role.${value}`),
  with: (value) => known(`audit.with.${value}`),
  on_uncertain: (value) => known(`audit.uncertain.${value}`),
  phone_number: String,
};

function plain(key, value) {
  if (key.endsWith("_us") && Number.isSafeInteger(value)) return momentOf(value);
  if (key.endsWith("_id")) return String(value);
  if (typeof value === "boolean") return t(value ? "audit.yes" : "audit.no");
  if (typeof value === "number") return number(value);
  if (Array.isArray(value))
    return value.map((each) => (typeof each === "object" ? JSON.stringify(each) : String(each))).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
