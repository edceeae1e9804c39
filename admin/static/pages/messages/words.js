// What happened to a message, in words.
import { known, saidOfCall, t } from "../../i18n.js";

/** Why a call to the provider failed, for whoever has never heard of HTTP. */
export function causeOf({ http_status: status, detail }) {
  if (status === null) return sentence(saidOfCall(detail));
  const exact = known(`provider.said.${status}`);
  if (exact) return exact;
  return t(`provider.said.${Math.floor(status / 100)}xx`, { _: t("provider.said.other") });
}

/** The provider's own words: the engine puts "HTTP 503: " before them. Empty: there are none. */
export function quoteOf({ http_status: status, detail }) {
  if (status === null) return "";
  const [, words = ""] = /^HTTP \d+[^:]*: (.*)$/s.exec(detail) ?? [];
  return messageIn(words) ?? words;
}

/** Providers mostly answer {"message": "…"}: only that is for people. */
function messageIn(words) {
  try {
    const { message } = JSON.parse(words);
    return typeof message === "string" && message ? message : undefined;
  } catch {
    return undefined; // no JSON, or only its beginning
  }
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);
