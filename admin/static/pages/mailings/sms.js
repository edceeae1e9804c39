// How many SMS a text takes: the rules of engine/domain/segments.py, so that the count keeps up with the typing.
const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("\f^{}\\[~]|€");
const GSM7 = { encoding: "gsm7", single: 160, part: 153, cost: (char) => (EXTENSION.has(char) ? 2 : 1) };
const UCS2 = { encoding: "ucs2", single: 70, part: 67, cost: (char) => char.length };

export const TEXT_MAX = 4096;

const isGsm = (char) => BASIC.has(char) || EXTENSION.has(char);

/** A byte order mark before the text is dropped by the engine. */
const asSent = (text) => text.replace(/^\uFEFF+/, "");

/** Characters as the engine counts them. */
export const lengthOf = (text) => [...asSent(text)].length;

/** {encoding, units, segments, left}: `left` units are free in the last segment. */
export function countSegments(text) {
  const chars = [...asSent(text)];
  const { encoding, single, part, cost } = chars.every(isGsm) ? GSM7 : UCS2;
  const costs = chars.map(cost);
  const units = costs.reduce((sum, each) => sum + each, 0);
  if (units <= single) return { encoding, units, segments: units ? 1 : 0, left: single - units };
  let segments = 1;
  let used = 0;
  for (const each of costs) {
    if (used + each > part) {
      segments += 1;
      used = 0;
    }
    used += each;
  }
  return { encoding, units, segments, left: part - used };
}

/** The few characters that alone make a text more expensive, and what it would take without them; else null. */
export function dearCharacters(text) {
  const chars = [...asSent(text)];
  const dear = [...new Set(chars.filter((char) => !isGsm(char)))];
  if (!dear.length || dear.length > 3) return null;
  const cheaper = countSegments(chars.map((char) => (isGsm(char) ? char : "-")).join("")).segments;
  return cheaper < countSegments(text).segments ? { characters: dear, segments: cheaper } : null;
}
