/** @file The form with a provider's switches. */

import { button, element, patch } from "./dom.js";

/** Groups of switches: title, the path that they belong to, and the fields: name, words, hint or values with labels. */
const GROUPS = [
  ["Each answer", "faults", [["latency_seconds", "waits, seconds", "0.1 or 0.1-2"]]],
  [
    "Share of calls that fail, 0 to 1",
    "faults",
    [
      ["share_400", "400, refused"],
      ["share_429", "429, too many"],
      ["share_5xx", "500, 502, 503"],
      ["share_reset", "connection reset"],
      ["share_hang", "no answer at all"],
      ["share_garbage", "200, not JSON"],
      ["share_unanswered", "taken, then reset"],
    ],
  ],
  [
    "Every call",
    "faults",
    [
      ["outage", "outage", { false: "none", true: "503", reset: "reset" }],
      ["reject_token", "token", { false: "is checked", 401: "401", 403: "403" }],
    ],
  ],
  ["With 429 and 503", "faults", [["retry_after", "Retry-After", "5, or date+5"]]],
  [
    "Receipts",
    "receipts",
    [
      ["enabled", "are sent", { false: "no", true: "yes" }],
      ["delay_seconds", "after, seconds", "2 or 1-5"],
      ["share_undelivered", "undelivered, share"],
      ["share_lost", "lost"],
      ["share_repeated", "repeated"],
      ["share_reordered", "reordered"],
    ],
  ],
];
const FIELDS = GROUPS.flatMap(([, path, fields]) => fields.map(([name, , hint]) => ({ name, path, hint })));
const PATHS = ["faults", "receipts"];
const fieldsOf = (path) => FIELDS.filter((field) => field.path === path);

function readField(name, text, hint) {
  if (typeof hint === "object") return text === "reset" ? text : JSON.parse(text);
  if (name.endsWith("_seconds") && text.includes("-")) return text.split("-").map(Number);
  if (name === "retry_after") return text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  return Number(text);
}

function writeField(value, hint) {
  if (typeof hint === "object" && value === true && !("true" in hint)) return "401";
  return Array.isArray(value) ? value.join("-") : value === null ? "" : String(value);
}

/** One provider's switches: those of its faults and those of its receipts. */
export class Switches {
  /** `forget`: what "Forget texts" does. */
  constructor({ name, path }, isOne, forget) {
    this.path = `${path}/sandbox/`;
    this.shown = {};
    this.forget = forget;
    this.message = element("p", "", "message");
    this.message.setAttribute("role", "status");
    this.made = element("section", undefined, isOne ? "panel card" : "panel");
    this.made.setAttribute("aria-label", isOne ? "Switches" : `Switches of ${name}`);
    this.made.append(...(isOne ? [element("h2", "Faults and receipts"), this.makeForm()] : this.makeHead(name)));
    this.made.append(this.message);
  }

  /** Of several providers each has the switch that matters in sight, the others behind a word. */
  makeHead(name) {
    const head = element("div", undefined, "head");
    const details = element("details");
    this.state = element("span", "", "state");
    this.outage = button("Outage", () => this.turnOutage());
    this.outage.setAttribute("aria-label", `Outage of ${name}`);
    head.append(element("h2", name), this.state, this.outage);
    details.append(element("summary", "More faults, receipts"), this.makeForm());
    return [head, details];
  }

  makeForm() {
    this.form = element("form");
    for (const [title, , fields] of GROUPS) {
      const group = element("fieldset");
      group.append(element("legend", title));
      for (const field of fields) group.append(this.makeField(...field));
      this.form.append(group);
    }
    const buttons = element("div", undefined, "buttons");
    buttons.append(
      button("Apply", null, "first"),
      button("No faults", () => this.trying(() => this.change((path) => this.calm(path)), "Everything works again.")),
      button("Forget texts", () => this.trying(this.forget, "Forgotten.")),
    );
    this.form.append(buttons);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.trying(() => this.change((path) => this.read(path)), "Applied.");
    });
    return this.form;
  }

  makeField(name, words, hint) {
    const label = element("label", words);
    const input = element(typeof hint === "object" ? "select" : "input");
    input.name = name;
    if (typeof hint === "object")
      for (const [value, text] of Object.entries(hint)) input.append(new Option(text, value));
    else {
      input.autocomplete = "off";
      input.placeholder = hint || "0";
    }
    label.append(input);
    return label;
  }

  async trying(work, done) {
    try {
      await work();
      this.say(done);
    } catch (error) {
      this.say(error.message, true);
    }
  }

  say(text, isBad) {
    this.message.textContent = text;
    this.message.className = isBad ? "message bad" : "message";
  }

  read(path) {
    const text = (name) => this.form.elements[name].value.trim();
    return Object.fromEntries(fieldsOf(path).map(({ name, hint }) => [name, readField(name, text(name), hint)]));
  }

  /** No faults; receipts go on as they do, and all arrive. */
  calm(path) {
    const { enabled, delay_seconds } = JSON.parse(this.shown.receipts);
    const values = { enabled, delay_seconds, retry_after: null, outage: false, reject_token: false };
    return Object.fromEntries(fieldsOf(path).map(({ name }) => [name, name in values ? values[name] : 0]));
  }

  /** `values`: the switches of a path. */
  async change(values) {
    for (const path of PATHS) this.show(path, await patch(this.path + path, values(path)));
  }

  turnOutage() {
    const outage = this.outage.getAttribute("aria-pressed") !== "true";
    return this.trying(
      async () => this.show("faults", await patch(`${this.path}faults`, { outage })),
      outage ? "It answers 503 to every call." : "It answers again.",
    );
  }

  /** What somebody else has changed is shown; what is being typed here stays until then. */
  show(path, values) {
    const now = JSON.stringify(values);
    if (now === this.shown[path]) return;
    this.shown[path] = now;
    for (const { name, hint } of fieldsOf(path)) this.form.elements[name].value = writeField(values[name], hint);
    if (path === "faults" && this.outage) this.showState(values);
  }

  showState(faults) {
    const { outage, reject_token, retry_after, ...shares } = faults;
    this.outage.setAttribute("aria-pressed", String(outage !== false));
    const some = Object.entries(shares).filter(([name, value]) => name.startsWith("share_") && value > 0);
    const words = [
      [outage, outage === "reset" ? "resets every connection" : "503 to every call", "bad"],
      [reject_token, "refuses the token", "bad"],
      [some.length, `answers, with ${some.length > 1 ? "faults" : "a fault"}`, "warn"],
      [true, "answers", "good"],
    ].find(([is]) => is);
    this.state.textContent = words[1];
    this.state.className = `state ${words[2]}`;
  }
}
