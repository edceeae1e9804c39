// The beginning of a file, and what the server makes of it.
import { call } from "../../api.js";

const SAMPLE_BYTES = 128 * 1024; // more than the longest line that a table may have

/** An import is a CSV, or one JSON object a line; `charset` is empty where the bytes tell it. */
export const typeOf = (file, charset) =>
  (/\.(ndjson|jsonl)$/i.test(file.name) ? "application/x-ndjson" : "text/csv") +
  (charset ? `; charset=${charset}` : "");

/** See admin/import_preview.py. */
export const sampleOf = (file, charset, signal) =>
  call("/clients/import_preview", {
    method: "POST",
    query: { size: file.size },
    headers: { "Content-Type": typeOf(file, charset) },
    body: file.slice(0, SAMPLE_BYTES),
    signal,
  });
