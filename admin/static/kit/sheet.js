// Tables that people open in Excel: in their language, with their decimal sign, and with times in their zone.
import { timeZone } from "../i18n.js";

const BOM = "\ufeff"; // Excel takes the file for another encoding without it

/** Between the whole and the rest of a number, where the person is. */
const decimalSign = () =>
  new Intl.NumberFormat(navigator.language).formatToParts(0.5).find(({ type }) => type === "decimal").value;

/** Excel separates cells by semicolons where the comma is a decimal one. */
export const delimiter = () => (decimalSign() === "," ? ";" : ",");

/** A cell; one that Excel would run as a formula gets an apostrophe, see gateway/tables/row_text.py. */
function quoted(cell) {
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const lineOf = (cells) => `${cells.map(quoted).join(delimiter())}\r\n`;

/** Rows of cells as a file. */
export const fileOf = (rows) => new Blob([BOM, ...rows.map(lineOf)], { type: "text/csv" });

/** A number as a cell. */
export const numberCell = (value) => (value === null ? "" : String(value).replace(".", decimalSign()));

/** A time as a cell, which Excel of any language takes for one: "2026-11-30 16:05:07" in the person's zone. */
export const timeCell = (iso) => (iso ? new Date(iso).toLocaleString("sv") : "");

/** What a column of such times is called. */
export const timeLabel = (label) => `${label} (${timeZone()})`;

/** The lines of an answer, some at a time. */
async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop();
    yield lines;
  }
}

/** An answer in NDJSON as a file; `columns`: [{label, cell(entry)}]. */
export async function tableOf(response, columns) {
  const parts = [BOM, lineOf(columns.map(({ label }) => label))];
  for await (const lines of linesOf(response)) {
    const rows = lines.map((line) => JSON.parse(line)).map((entry) => columns.map(({ cell }) => cell(entry)));
    parts.push(rows.map(lineOf).join(""));
  }
  return new Blob(parts, { type: "text/csv" });
}

/** An answer in CSV with other names of its columns; `labels`: {name: label}. */
export async function relabelled(response, labels) {
  const parts = [];
  for await (const lines of linesOf(response)) {
    if (parts.length === 0 && lines.length > 0) {
      const names = lines[0].split(delimiter());
      lines[0] = BOM + names.map((name) => labels[name] ?? name).join(delimiter());
    }
    parts.push(...lines.map((line) => `${line}\n`));
  }
  return new Blob(parts, { type: "text/csv" });
}
