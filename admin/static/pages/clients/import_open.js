// Open mailings that an import would make text somebody at once, and whether it shall.
import { list, one } from "../../api.js";
import { t } from "../../i18n.js";
import { Choice } from "../../kit/fields.js";
import { h, useEffect, useState } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";

const NAMED = 5; // mailings that are named; of more it is said how many
const TEXT_CHARACTERS = 60;

const shortened = (text) => (text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS - 1)}…` : text);

/** {id: how people call the mailing}. */
function useNames(ids) {
  const [names, setNames] = useState({});
  const key = ids.join();
  useEffect(() => {
    const control = new AbortController();
    for (const id of key.split(",").filter(Boolean))
      one("mailings", id, control.signal)
        .then((mailing) => setNames((old) => ({ ...old, [id]: shortened(mailing.name || mailing.text) })))
        .catch(() => {}); // it is called by its number then
    return () => control.abort();
  }, [key]);
  return names;
}

const OPEN = ["active", "scheduled", "paused"];

/** Whether somebody who comes to match may get it: a fixed audience takes nobody after the start. */
const isTaking = ({ audience, state }) => audience !== "fixed" || state === "scheduled";

/**
 * Mailings that may take whom an import adds, for as long as nobody has looked at all of the file: as the engine tells of
 * those that do, but without numbers.
 */
export async function mayReach(signal) {
  const pages = await Promise.all(OPEN.map((state) => list("mailings", { perPage: NAMED, filter: { state }, signal })));
  return pages
    .flatMap(({ data }) => data)
    .filter(isTaking)
    .map(({ id }) => ({ mailing_id: id }));
}

/** `isKnown`: it was counted how many each of them reaches; otherwise it may be none. */
export function OpenMailings({ reach, isKnown, silent, onChange }) {
  const shown = reach.slice(0, NAMED);
  const names = useNames(shown.map((each) => each.mailing_id));
  const words = isKnown ? "reach" : "may";
  return h(
    "div",
    { className: "import-open" },
    h(
      Notice,
      { tone: "warn", title: t(isKnown ? "import.open.title" : "import.open.may_title") },
      h(
        "ul",
        null,
        shown.map(({ mailing_id: id, client_count: count }) =>
          h("li", { key: id }, t(`import.open.${words}`, { smart_count: count, name: names[id] ?? `№ ${id}` })),
        ),
        reach.length > NAMED && h("li", null, t("import.open.more", { smart_count: reach.length - NAMED })),
      ),
    ),
    h(Choice, {
      label: t("import.open.ask"),
      name: "open-mailings",
      value: silent ? "no" : "yes",
      onChange: (value) => onChange(value === "no"),
      options: ["yes", "no"].map((value) => ({
        value,
        label: t(`import.open.${value}`),
        words: t(`import.open.${value}_words`),
      })),
    }),
  );
}
