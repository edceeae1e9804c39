// A line of text that a list is searched by as one types, once the fingers rest.
import { Input } from "./fields.js";
import { h } from "./lib.js";
import { useTyped } from "./poll.js";

const SETTLE_MS = 250;

/** `onSearch(text)`; `hintOf(text)`: what is said below while it is typed. The rest goes to the input. */
export function Search({ value, onSearch, hintOf = () => undefined, ...rest }) {
  const [typed, setTyped] = useTyped(value, onSearch, SETTLE_MS);
  return h(Input, {
    ...rest,
    type: "search",
    autoComplete: "off",
    value: typed,
    onChange: setTyped,
    hint: hintOf(typed),
  });
}
