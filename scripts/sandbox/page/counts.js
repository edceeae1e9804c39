/** @file A provider's counts. */

import { ANSWERS, element, kind, number, RECEIPTS, showParts } from "./dom.js";

const NUMBERS = [
  ["requests", "calls"],
  ["rate_per_second", "calls a second"],
  ["accepted", "texts accepted", "good"],
  ["unique_ids", "messages"],
  ["repeated_ids", "called again", "warn"],
  ["accepted_again_ids", "accepted twice", "bad"],
];

/** What a provider was called for, and what it said later. */
export class Counts {
  constructor(name, isOne) {
    this.made = element("section", undefined, isOne ? "counts card" : "counts");
    this.made.setAttribute("aria-label", isOne ? "Counts" : `Counts of ${name}`);
    const receipts = element("div", undefined, "receipts");
    this.numbers = element("div", undefined, "numbers");
    this.plot = element("div", undefined, "plot");
    this.plot.setAttribute("role", "img");
    [this.bar, this.answers] = [element("div", undefined, "bar"), element("div", undefined, "answers")];
    [this.receiptsBar, this.receipts] = [element("div", undefined, "bar"), element("div", undefined, "answers")];
    this.problem = element("p", "", "problem");
    receipts.append(this.receiptsBar, this.receipts, this.problem);
    this.made.append(this.numbers, this.plot, this.bar, this.answers, receipts);
  }

  show(stats, hasReceipts) {
    this.minute = stats.last_minute;
    this.showNumbers(stats);
    this.showReceipts(hasReceipts, stats.receipts);
  }

  showNumbers(stats) {
    this.numbers.replaceChildren(
      ...NUMBERS.map(([key, words, name]) => {
        const cell = element("div");
        cell.append(element("b", number(stats[key]), stats[key] && name ? name : ""), element("span", words));
        return cell;
      }),
    );
    const counted = Object.entries(stats.by_status).sort();
    const parts = counted.map(([name, count]) => ({ title: ANSWERS[name] ?? name, count, name: kind(name) }));
    showParts(this.bar, this.answers, parts, "No calls yet.");
  }

  showReceipts(isOn, receipts) {
    const parts = RECEIPTS.map(([title, name]) => ({ title, count: receipts[title], name })).filter(
      ({ count }) => count,
    );
    const { accepted, duplicate, unknown } = receipts.answers;
    showParts(this.receiptsBar, this.receipts, parts, isOn ? "No receipts yet." : "Receipts are off.");
    this.receiptsBar.hidden = !parts.length;
    if (accepted + duplicate + unknown)
      this.receipts.append(
        `the service says: ${number(accepted)} new, ${number(duplicate)} old, ${number(unknown)} unknown`,
      );
    this.problem.textContent = receipts.problem;
  }

  get most() {
    return Math.max(...this.minute.map(([requests]) => requests));
  }

  /** `most`: the height of the plots of all providers, so that they can be compared. */
  draw(most) {
    this.plot.replaceChildren(
      ...this.minute.map(([requests, accepted]) => {
        const second = element("i");
        second.style.setProperty("--accepted", accepted / (most || 1));
        second.style.setProperty("--failed", (requests - accepted) / (most || 1));
        return second;
      }),
    );
    const [requests, accepted] = this.minute.at(-1);
    const words = `just now ${accepted} accepted, ${requests - accepted} not`;
    this.plot.setAttribute("aria-label", `Calls of the last minute; ${words}`);
  }
}
