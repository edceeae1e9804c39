// A file, or its beginning, and what the server makes of it.
import { call, randomKey, upload } from "../../api.js";
import { mapOf } from "./import_columns.js";
import { zonesOf } from "./import_zones.js";

const SAMPLE_BYTES = 128 * 1024; // more than the longest line that a table may have
const CHECKED_BYTES = 32 * 1024 * 1024; // of a longer file it is not told beforehand what becomes of each row
const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

const isWorkbook = (file) => /\.(xlsx|xlsm)$/i.test(file.name);
const isJson = (file) => /\.(ndjson|jsonl)$/i.test(file.name);

/** An import is a workbook, a CSV, or one JSON object a line; `charset` is empty where the bytes tell it. */
export function typeOf(file, charset) {
  if (isWorkbook(file)) return WORKBOOK;
  return (isJson(file) ? "application/x-ndjson" : "text/csv") + (charset ? `; charset=${charset}` : "");
}

const withQuery = (path, query, fields) =>
  `${path}?${new URLSearchParams([...Object.entries(query), ...mapOf(fields)])}`;

const sheetOf = (sheet) => (sheet ? { sheet } : {});

/** See admin/import_preview.py; `sheet`: which one, or the first with rows. A workbook can't be cut. */
export const sampleOf = (file, { charset, fields = {}, zones, sheet, what = "clients" }, signal) =>
  call(
    withQuery(`/${what}/import_preview`, { size: file.size, ...(zones && zonesOf(zones)), ...sheetOf(sheet) }, fields),
    {
      method: "POST",
      headers: { "Content-Type": typeOf(file, charset) },
      body: isWorkbook(file) ? file : file.slice(0, SAMPLE_BYTES),
      signal,
    },
  );

/** What an import of all of the file would do; null: nobody can tell beforehand. */
export const checkOf = (file, { charset, fields, zones, sheet }, signal) =>
  file.size > CHECKED_BYTES
    ? Promise.resolve(null)
    : upload(
        withQuery(
          "/clients/import",
          { key: randomKey(), validate_only: true, ...zonesOf(zones), ...sheetOf(sheet) },
          fields,
        ),
        file,
        { type: typeOf(file, charset), signal },
      );

/** Import it; `silent`: nobody is texted because of it by a mailing that is open; `zones`: what time
 * zone those get of whom no cell says one. */
export const importOf = (file, { id, charset, fields, silent, zones, sheet }, options) =>
  upload(
    withQuery("/clients/import", { key: id, skip_open_mailings: silent, ...zonesOf(zones), ...sheetOf(sheet) }, fields),
    file,
    { type: typeOf(file, charset), ...options },
  );
