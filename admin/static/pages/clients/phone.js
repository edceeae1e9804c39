// Phone numbers, as people read and type them.

const SEARCHED_MIN = 3; // the engine searches for 3 to 11 digits
const LENGTH = 11;

/** What is typed as a part of a number: {digits} to search for, or {} and why not: "short", "long"; nothing typed is no search. */
export function searched(typed) {
  const digits = typed.replace(/\D/g, "");
  if (digits === "" && typed.trim() === "") return {};
  if (digits.length < SEARCHED_MIN) return { problem: "short" };
  return digits.length > LENGTH ? { problem: "long" } : { digits };
}
