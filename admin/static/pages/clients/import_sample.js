// The beginning of a file, and what the server makes of it.
import { BASE, identity, problemOf } from "../../api.js";
import { t } from "../../i18n.js";
import { HttpError } from "../../kit/lib.js";

const SAMPLE_BYTES = 128 * 1024; // more than the longest line that a table may have

/** An import is a CSV, or one JSON object a line. */
export const typeOf = (file) => (/\.(ndjson|jsonl)$/i.test(file.name) ? "application/x-ndjson" : "text/csv");

/** See admin/import_preview.py. */
export async function sampleOf(file, signal) {
  let response;
  try {
    response = await fetch(`${BASE}/clients/import_preview?size=${file.size}`, {
      method: "POST",
      headers: { "Content-Type": typeOf(file), Authorization: JSON.stringify(identity()) },
      body: file.slice(0, SAMPLE_BYTES),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new HttpError(t("error.gateway_away"), 0);
  }
  if (!response.ok) throw await problemOf(response);
  return response.json();
}
