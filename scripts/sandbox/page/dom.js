/** @file What the parts of the page share: elements, calls, words. */

export const ANSWERS = { reset: "reset", hang: "no answer", garbage: "garbage", unanswered: "taken, reset" };
export const RECEIPTS = [
  ["delivered", "good"],
  ["undelivered", "bad"],
  ["lost", "warn"],
  ["waiting", "soft"],
  ["refused", "bad"],
  ["dropped", "bad"],
];

export function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

export function button(text, handler, name) {
  const made = element("button", text, name);
  made.type = name === "first" ? "submit" : "button";
  if (handler) made.addEventListener("click", handler);
  return made;
}

export async function call(path, options) {
  const response = await fetch(path, options);
  const data = await response.json();
  if (!response.ok) throw new Error(data.message);
  return data;
}

export const patch = (path, body) => call(path, { method: "PATCH", body: JSON.stringify(body) });
export const number = (value) => Math.round(value).toLocaleString("en");
export const isTaken = (answer) => answer === "200" || answer === "unanswered";
export const kind = (answer) => (isTaken(answer) ? "good" : answer === "400" ? "bad" : "warn");

/** A share of a bar for each part, and the same in words. */
export function showParts(bar, words, parts, none) {
  bar.replaceChildren(
    ...parts.map(({ count, name }) => {
      const part = element("i", undefined, name);
      part.style.flex = `${count} 0 0`;
      return part;
    }),
  );
  words.replaceChildren(
    ...parts.map(({ title, count, name }) => {
      const entry = element("span");
      entry.append(element("b", title, name), number(count));
      return entry;
    }),
  );
  if (!parts.length) words.append(none);
}
