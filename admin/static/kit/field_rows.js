// A list of lines of fields, to which one can be added and from which each can be taken.
import { h, useEffect, useRef } from "./lib.js";
import { Button } from "./parts.js";

/**
 * `children`: a line each. The focus goes into a line that is added, and to the button when the line that had it is taken:
 * with the keyboard alone one goes on from there.
 */
export function FieldRows({ label, hint, error, addLabel, onAdd, children }) {
  const lines = useRef(null);
  const end = useRef(null);
  const count = children.length;
  const before = useRef(count);
  useEffect(() => {
    if (count > before.current) lines.current.lastElementChild.querySelector("input").focus();
    else if (count < before.current) end.current.querySelector("button").focus();
    before.current = count;
  }, [count]);
  return h(
    "fieldset",
    { className: "attributes" },
    h("legend", null, label),
    h("div", { ref: lines, className: "field-rows" }, children),
    h("p", { className: "field-words" }, hint),
    error && h("p", { className: "field-words bad", role: "alert" }, error),
    h("div", { ref: end }, h(Button, { onClick: onAdd }, addLabel)),
  );
}
