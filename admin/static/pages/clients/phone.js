// Phone numbers, as people read and type them.

const SEARCHED_MIN = 3; // the engine searches for 3 to 11 digits
const LENGTH = 11;

/**
 * What is typed as a part of a number: {part} to search for, or {} and why not: "short", "long"; nothing typed is no search.
 * The part goes as it was typed: the engine says what is wrong with it, and drops nothing of it.
 */
export function searched(typed) {
  const part = typed.trim();
  const digits = part.replace(/\D/g, "");
  if (part === "") return {};
  if (digits.length < SEARCHED_MIN) return { problem: "short" };
  return digits.length > LENGTH ? { problem: "long" } : { part };
}
