/** @file The sandbox's page: a card of switches and counts for each provider, and the texts by phone. */

import { Counts } from "./counts.js";
import { call, element, number } from "./dom.js";
import { Phones } from "./phones.js";
import { Switches } from "./switches.js";

const $ = (id) => document.getElementById(id);
const phones = new Phones($("phones"), refresh);
let providers = [];

/** A card for each, with what changes in it. */
function makeProviders(found) {
  const isOne = found.length === 1;
  document.querySelector("main").className = isOne ? "one" : "many";
  if (!isOne) document.querySelector("h1").textContent = `Sandbox: ${found.length} providers`;
  providers = found.map((each) => {
    const switches = new Switches(each, isOne, forget);
    const counts = new Counts(each.name, isOne);
    const card = element("article", undefined, `provider ${each.name}`);
    card.setAttribute("aria-label", isOne ? "Provider" : each.name);
    card.append(switches.made, counts.made);
    $("providers").append(card);
    return { switches, counts };
  });
}

function showProvider({ faults, receipts, stats }, i) {
  const { switches, counts } = providers[i];
  switches.show("faults", faults);
  switches.show("receipts", receipts);
  counts.show(stats, receipts.enabled);
}

function showBoth({ count, ids }) {
  const some = ids.slice(-5).join(", ");
  const words = count
    ? `${number(count)} ${count === 1 ? "message was" : "messages were"} accepted by two providers (id ${some}): this must never happen.`
    : "No message was accepted by two providers.";
  $("both").hidden = providers.length === 1;
  $("both").className = count ? "bad" : "";
  if ($("both").textContent !== words) $("both").textContent = words;
}

async function forget() {
  await call("/sandbox/reset", { method: "POST" });
  await refresh();
}

async function refresh() {
  const contains = encodeURIComponent($("contains").value);
  const [overview, found] = await Promise.all([
    call("/sandbox/providers"),
    call(`/sandbox/conversations?limit=60&contains=${contains}`),
  ]);
  if (!providers.length) makeProviders(overview.providers);
  overview.providers.forEach(showProvider);
  const most = Math.max(...providers.map(({ counts }) => counts.most));
  for (const { counts } of providers) counts.draw(most);
  showBoth(overview.accepted_by_two);
  phones.show(found, contains !== "");
}

function live(isOn) {
  document.title = isOn ? "Sandbox provider" : "Sandbox provider (away)";
  $("live").className = isOn ? "on" : "off";
  $("live").textContent = isOn ? "live" : "away, trying again";
}

async function watch() {
  try {
    await refresh();
    live(true);
  } catch {
    live(false);
  }
  setTimeout(watch, document.hidden ? 5000 : 1000);
}

$("contains").addEventListener("input", () => refresh().catch(() => live(false)));
watch();
