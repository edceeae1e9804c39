// What people say of a client, said once: the form, the filters, the details and the preview of a file follow.
import { allZones } from "./facets.js";

/**
 * `key`: in the API, and in the words. `query`: what the address calls the filter; without one there is none.
 * `options(choices)`: what a form offers, of the values that clients have; without it people type. `free`: whatever is
 * typed is a value too. `input`: more of the input. An empty value is called by the words `none.KEY`.
 */
export const FIELDS = [
  {
    key: "phone_number",
    input: {
      type: "tel",
      inputMode: "tel",
      autoFocus: true,
      placeholder: "+7 (916) 123-45-67",
    },
  },
  { key: "tag", query: "tag", options: named, free: true },
  { key: "time_zone", query: "zone", options: allZones },
  { key: "language", query: "language", options: named, free: true },
  { key: "phone_code", query: "code", input: { inputMode: "numeric" } },
];

export const KEYS = FIELDS.map(({ key }) => key);
export const FILTERS = FIELDS.filter(({ query }) => query);

/** Choices but for the empty one: what is empty is nothing that one picks in a form. */
function named(choices) {
  return choices.filter(({ value }) => value !== "");
}
