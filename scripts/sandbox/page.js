"use strict";
const GROUPS = [
  ["Each answer", [["latency_seconds", "waits, seconds", "0.1 or 0.1-2"]]],
  ["Share of calls that fail, 0 to 1", [
    ["share_400", "400, refused"], ["share_429", "429, too many"], ["share_5xx", "500, 502, 503"],
    ["share_reset", "connection reset"], ["share_hang", "no answer at all"], ["share_garbage", "200, not JSON"]]],
  ["Every call", [
    ["outage", "outage", "", ["false", "true", "reset"], ["none", "503", "reset"]],
    ["reject_token", "token", "", ["false", "401", "403"], ["is checked", "401", "403"]]]],
  ["With 429 and 503", [["retry_after", "Retry-After", "5, or date+5"]]],
];
const FIELDS = GROUPS.flatMap(([, fields]) => fields);
const NUMBERS = [
  ["requests", "calls"], ["rate_per_second", "calls a second"], ["accepted", "texts accepted", "good"],
  ["unique_ids", "messages"], ["repeated_ids", "called again", "warn"],
  ["accepted_again_ids", "accepted twice", "bad"],
];
const ANSWERS = { reset: "reset", hang: "no answer", garbage: "garbage" };
const $ = id => document.getElementById(id);
const element = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
};
async function call(path, options) {
  const response = await fetch("/sandbox/" + path, options), data = await response.json();
  if (!response.ok) throw new Error(data.message);
  return data;
}
function say(text, isBad) { $("message").textContent = text; $("message").className = isBad ? "bad" : ""; }

const number = value => Math.round(value).toLocaleString("en");
const kind = answer => answer === "200" ? "good" : answer === "400" ? "bad" : "warn";

function showNumbers(stats) {
  $("numbers").replaceChildren(...NUMBERS.map(([key, words, name]) => {
    const cell = element("div");
    cell.append(element("b", number(stats[key]), stats[key] && name ? name : ""), element("span", words));
    return cell;
  }));
  const counted = Object.entries(stats.by_status).sort();
  $("bar").replaceChildren(...counted.map(([name, count]) => {
    const part = element("i", undefined, kind(name));
    part.style.flex = `${count} 0 0`;
    return part;
  }));
  $("answers").replaceChildren(...counted.map(([name, count]) => {
    const entry = element("span");
    entry.append(element("b", ANSWERS[name] ?? name, kind(name)), number(count));
    return entry;
  }));
  if (!counted.length) $("answers").append("No calls yet.");
}
function note(message) {
  const line = element("p", undefined, "note"), answers = message.calls.map(call => call.answer);
  line.append(element("span", `id ${message.id}`), "·");
  for (const answer of answers.slice(-6)) line.append(element("span", ANSWERS[answer] ?? answer, kind(answer)));
  if (message.count > 1) line.append("·", element("span", `${message.count} calls`));
  return line;
}
function received(message) {
  const made = element("div"), isSent = message.calls.some(call => call.answer === "200");
  made.append(element("div", message.text, isSent ? "text" : "text unsent"), note(message));
  return { time: message.first_time, made };
}
const ACTIONS = { suppressed: "the number is on the stop list now", ignored: "no stop word: nothing was done" };
function replied(reply) {
  const made = element("div", undefined, "reply"), line = element("p", undefined, "note");
  const words = reply.action === null ? reply.problem : ACTIONS[reply.action] ?? reply.action;
  line.append(element("span", words, reply.action === null ? "bad" : reply.action === "suppressed" ? "good" : ""));
  made.append(element("div", reply.text, "text"), line);
  return { time: reply.time, made };
}
const pretty = phone => String(phone).replace(/^(7)(\d{3})(\d{3})(\d{2})(\d{2})$/, "+$1 $2 $3-$4-$5");

/** What a number got and answered. The field for an answer stays as it is while texts come. */
class Conversation {
  constructor(phone, takesReplies) {
    this.shown = "";
    this.time = element("time");
    this.talk = element("div", undefined, "talk");
    this.made = element("article", undefined, "phone");
    const head = element("h3", pretty(phone));
    head.append(this.time);
    this.made.append(head, this.talk);
    if (takesReplies) this.made.append(...this.form(phone));
  }
  form(phone) {
    const form = element("form", undefined, "answer"), text = element("input"), fault = element("p", "", "note bad");
    fault.setAttribute("role", "status");
    text.setAttribute("aria-label", `Answer from ${pretty(phone)}`);
    text.placeholder = "Answer";
    text.autocomplete = "off";
    const answer = async said => {
      fault.textContent = "";
      try {
        await call("replies", { method: "POST", body: JSON.stringify({ phone, text: said }) });
        if (said === text.value) text.value = "";
        await refresh();
      } catch (error) { fault.textContent = error.message; }
    };
    const stop = button("STOP", () => answer("STOP"));
    stop.setAttribute("aria-label", `Answer STOP from ${pretty(phone)}`);
    form.append(text, button("Send", null, "first"), stop);
    form.addEventListener("submit", event => { event.preventDefault(); answer(text.value); });
    return [form, fault];
  }
  show(conversation) {
    const now = JSON.stringify(conversation);
    if (now === this.shown) return;  // what did not change keeps its selection
    this.shown = now;
    this.time.textContent = conversation.last_time.slice(11, 19) + " UTC";
    const parts = [...conversation.messages.map(received), ...conversation.replies.map(replied)];
    parts.sort((one, other) => one.time < other.time ? -1 : 1);
    this.talk.replaceChildren(...parts.map(part => part.made));
  }
}
let known = new Map();
function showConversations({ conversations, takes_replies: takesReplies }) {
  const before = known;
  known = new Map(conversations.map(each =>
    [each.phone, before.get(each.phone) ?? new Conversation(each.phone, takesReplies)]));
  for (const each of conversations) known.get(each.phone).show(each);
  const words = $("contains").value ? "No text to such a number." : "Nothing yet. What the engine sends appears here.";
  const wanted = known.size ? [...known.values()].map(each => each.made) : [element("p", words, "empty")];
  const there = [...$("phones").children], isSame = there.length === wanted.length && there.every((e, i) => e === wanted[i]);
  const active = document.activeElement, isIn = $("phones").contains(active);
  if (isSame || (isIn && active.value)) return;  // where somebody is typing nothing moves
  $("phones").replaceChildren(...wanted);
  if (isIn) active.focus({ preventScroll: true });
}
function showFaults(faults) {
  for (const [name] of FIELDS) {
    const value = faults[name], input = $("faults").elements[name];
    if (name === "reject_token" && value === true) input.value = "401";
    else input.value = Array.isArray(value) ? value.join("-") : value === null ? "" : String(value);
  }
}
function readFaults() {
  const changes = {};
  for (const [name, , , choices] of FIELDS) {
    const text = $("faults").elements[name].value.trim();
    if (choices) changes[name] = text === "reset" ? text : JSON.parse(text);
    else if (name === "latency_seconds" && text.includes("-")) changes[name] = text.split("-").map(Number);
    else if (name === "retry_after") changes[name] = text === "" ? null : isNaN(text) ? text : Number(text);
    else changes[name] = Number(text);
  }
  return changes;
}
const change = body => call("faults", { method: "PATCH", body: JSON.stringify(body) });
const trying = (work, done) => async event => {
  event.preventDefault();
  try { await work(); say(done); } catch (error) { say(error.message, true); }
};
function button(text, handler, name) {
  const made = element("button", text, name);
  made.type = name === "first" ? "submit" : "button";
  if (handler) made.addEventListener("click", handler);
  return made;
}
for (const [title, fields] of GROUPS) {
  const group = element("fieldset");
  group.append(element("legend", title));
  for (const [name, words, hint, values, labels] of fields) {
    const label = element("label", words), input = element(values ? "select" : "input");
    input.name = name;
    if (values) values.forEach((value, i) => input.append(new Option(labels[i], value)));
    else { input.autocomplete = "off"; input.placeholder = hint || "0"; }
    label.append(input);
    group.append(label);
  }
  $("faults").append(group);
}
const buttons = element("div", undefined, "buttons");
let defaults = {};
buttons.append(
  button("Apply", null, "first"),
  button("No faults", trying(async () => showFaults(await change(defaults)), "Everything works again.")),
  button("Forget texts", trying(async () => { await call("reset", { method: "POST" }); await refresh(); }, "Forgotten.")),
);
$("faults").append(buttons);
$("contains").addEventListener("input", () => refresh().catch(error => say(error.message, true)));
$("faults").addEventListener("submit", trying(async () => showFaults(await change(readFaults())), "Applied."));
for (const [name, , , values] of FIELDS) defaults[name] = values ? false : name === "retry_after" ? null : 0;

async function refresh() {
  const contains = encodeURIComponent($("contains").value);
  const [stats, found] = await Promise.all([call("stats"), call(`conversations?limit=60&contains=${contains}`)]);
  showNumbers(stats);
  showConversations(found);
}
function live(isOn) {
  document.title = isOn ? "Sandbox provider" : "Sandbox provider (away)";
  $("live").className = isOn ? "on" : "off";
  $("live").textContent = isOn ? "live" : "away, trying again";
}
async function watch() {
  try { await refresh(); live(true); } catch { live(false); }
  setTimeout(watch, document.hidden ? 5000 : 1000);
}
call("faults").then(showFaults).catch(error => say(error.message, true)).then(watch);
