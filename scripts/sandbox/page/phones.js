/** @file Texts by phone, and the field to answer them. */

import { ANSWERS, button, call, element, kind, RECEIPTS } from "./dom.js";

function answersOf(message) {
  const line = element("p", undefined, "note");
  const calls = message.calls.slice(-6);
  const names = new Set(message.calls.map(({ provider }) => provider));
  line.append(element("span", `id ${message.id}`), "·");
  calls.forEach(({ provider, answer }, i) => {
    if (names.size > 1 && provider !== calls[i - 1]?.provider) line.append(element("span", provider));
    line.append(element("span", ANSWERS[answer] ?? answer, kind(answer)));
  });
  if (message.count > calls.length) line.append("·", element("span", `${message.count} calls`));
  for (const said of Object.values(message.receipts))
    line.append(
      "·",
      element("span", said === "lost" ? "receipt lost" : said, RECEIPTS.find(([name]) => name === said)[1]),
    );
  return line;
}

function received(message) {
  const made = element("div");
  const by = message.accepted_by;
  const isSent = by.length > 0;
  made.append(element("div", message.text, isSent ? `text ${by[0]}` : "text unsent"), answersOf(message));
  if (by.length > 1) {
    made.className = "twice";
    made.append(element("p", `accepted by ${by.join(" and ")}`, "note verdict bad"));
  }
  return { time: message.first_time, made };
}

const ACTIONS = { suppressed: "the number is on the stop list now", ignored: "no stop word: nothing was done" };

function replied(reply) {
  const made = element("div", undefined, "reply");
  const line = element("p", undefined, "note");
  const words = reply.action === null ? reply.problem : (ACTIONS[reply.action] ?? reply.action);
  line.append(element("span", words, reply.action === null ? "bad" : reply.action === "suppressed" ? "good" : ""));
  made.append(element("div", reply.text, "text"), line);
  return { time: reply.time, made };
}

const pretty = (phone) => String(phone).replace(/^(7)(\d{3})(\d{3})(\d{2})(\d{2})$/, "+$1 $2 $3-$4-$5");

/** What a number got and answered. The field for an answer stays as it is while texts come. */
class Conversation {
  constructor(phone, takesReplies, refresh) {
    this.refresh = refresh;
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
    const form = element("form", undefined, "answer");
    const text = element("input");
    const fault = element("p", "", "note bad");
    fault.setAttribute("role", "status");
    text.setAttribute("aria-label", `Answer from ${pretty(phone)}`);
    text.placeholder = "Answer";
    text.autocomplete = "off";
    const answer = async (said) => {
      fault.textContent = "";
      try {
        await call("/sandbox/replies", { method: "POST", body: JSON.stringify({ phone, text: said }) });
        if (said === text.value) text.value = "";
        await this.refresh();
      } catch (error) {
        fault.textContent = error.message;
      }
    };
    const stop = button("STOP", () => answer("STOP"));
    stop.setAttribute("aria-label", `Answer STOP from ${pretty(phone)}`);
    form.append(text, button("Send", null, "first"), stop);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer(text.value);
    });
    return [form, fault];
  }

  show(conversation) {
    const now = JSON.stringify(conversation);
    if (now === this.shown) return; // what did not change keeps its selection
    this.shown = now;
    this.time.textContent = `${conversation.last_time.slice(11, 19)} UTC`;
    const parts = [...conversation.messages.map(received), ...conversation.replies.map(replied)];
    parts.sort((one, other) => (one.time < other.time ? -1 : 1));
    this.talk.replaceChildren(...parts.map((part) => part.made));
  }
}

/** The conversations, the latest first. */
export class Phones {
  /** `made`: where they stand; `refresh`: asks for them again. */
  constructor(made, refresh) {
    this.made = made;
    this.refresh = refresh;
    this.known = new Map();
  }

  show({ conversations, takes_replies: takesReplies }, isSearched) {
    const before = this.known;
    const make = ({ phone }) => before.get(phone) ?? new Conversation(phone, takesReplies, this.refresh);
    this.known = new Map(conversations.map((each) => [each.phone, make(each)]));
    for (const each of conversations) this.known.get(each.phone).show(each);
    const words = isSearched ? "No text to such a number." : "Nothing yet. What the engine sends appears here.";
    const wanted = [...this.known.values()].map((each) => each.made);
    this.place(wanted.length ? wanted : [element("p", words, "empty")]);
  }

  place(wanted) {
    const there = [...this.made.children];
    const isSame = there.length === wanted.length && there.every((each, i) => each === wanted[i]);
    const active = document.activeElement;
    const isIn = this.made.contains(active);
    if (isSame || (isIn && active.value)) return; // where somebody is typing nothing moves
    this.made.replaceChildren(...wanted);
    if (isIn) active.focus({ preventScroll: true });
  }
}
