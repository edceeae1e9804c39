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
const PLOT_SECONDS = 60;

/** What a provider was called for, and what it said later. */
export class Counts {
  constructor(name, isOne) {
    this.history = [];
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
    this.stats = stats;
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

  /** Each second's calls, for the plot; after "Forget texts" it begins anew. */
  remember() {
    const { accepted, requests } = this.stats;
    const last = this.last;
    this.last = { accepted, requests };
    if (!last || requests < last.requests) {
      this.history = [];
      return;
    }
    const taken = accepted - last.accepted;
    this.history.push({ accepted: taken, failed: Math.max(0, requests - last.requests - taken) });
    this.history = this.history.slice(-PLOT_SECONDS);
  }

  get most() {
    return Math.max(0, ...this.history.map(({ accepted, failed }) => accepted + failed));
  }

  /** `most`: the height of the plots of all providers, so that they can be compared. */
  draw(most) {
    const padded = [...Array(PLOT_SECONDS - this.history.length).fill({ accepted: 0, failed: 0 }), ...this.history];
    this.plot.replaceChildren(
      ...padded.map(({ accepted, failed }) => {
        const second = element("i");
        second.style.setProperty("--accepted", accepted / (most || 1));
        second.style.setProperty("--failed", failed / (most || 1));
        return second;
      }),
    );
    const { accepted, failed } = padded.at(-1);
    this.plot.setAttribute("aria-label", `Calls of the last minute; just now ${accepted} accepted, ${failed} not`);
  }
}
