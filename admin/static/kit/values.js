// Values of attributes as people write them, see common/attribute_cells.py: 5 and true are what they look like, '5 is a text.

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;
const DIGITS = 15; // of more the value may be no number at all: that of a card or a parcel
const FRACTION_DIGITS = 17;
const FLAGS = { true: true, false: false };

function plain(text) {
  if (text in FLAGS) return FLAGS[text];
  if (!NUMBER.test(text)) return text;
  const digits = text.replace(/[-.]/g, "").length;
  if (!text.includes(".")) return digits > DIGITS ? text : Number(text);
  return digits > FRACTION_DIGITS && written(Number(text)) !== text ? text : Number(text);
}

/** A number without the exponent that small ones have; toFixed knows at most 100 digits. */
function written(number) {
  const [digits, power = 0] = String(number).split("e-");
  const places = Number(power) + (digits.split(".")[1] ?? "").length;
  return power && places <= 100 ? number.toFixed(places) : String(number);
}

const isGuarded = (text) => {
  const bare = text.replace(/^'+/, "");
  return bare === "" || typeof plain(bare) !== "string";
};

/** The value that a text stands for. */
export const valueIn = (text) => (text.startsWith("'") && isGuarded(text.slice(1)) ? text.slice(1) : plain(text));

const PEOPLES_DATE = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/;

/** Whether a text is a date as people write it, 31.12.1999, which is in no order. */
export const isPeoplesDate = (text) => PEOPLES_DATE.test(text);

/** A date that people write in the order in which dates are compared, 1999-12-31; anything else as it is. */
export function ordered(text) {
  const [, day, month, year] = PEOPLES_DATE.exec(text) ?? [];
  const isDate = day >= 1 && day <= 31 && month >= 1 && month <= 12;
  return isDate ? `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : text;
}

/** The text that stands for a value. */
export const textOf = (value) =>
  typeof value === "string" && isGuarded(value)
    ? `'${value}`
    : typeof value === "number"
      ? written(value)
      : String(value);
