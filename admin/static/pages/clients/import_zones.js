// Rows that name no time zone: which one they get. That in which the person is, that of the number's code, one for all of
// them, or the service's.
import { t, timeZone } from "../../i18n.js";
import { Choice } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { allZones, useFacets } from "./facets.js";

/** What is chosen at first: who imports clients is rather where they are than in Greenwich. */
export const MINE = { how: "mine", zone: "" };

/** As the query says it. */
export function zonesOf({ how, zone }) {
  if (how === "one" && zone) return { time_zone: zone };
  const own = how === "default" ? {} : { default_time_zone: timeZone() };
  return how === "number" ? { time_zone_by_number: true, ...own } : own;
}

/** Whether there is something to choose. */
export const isAsked = ({ format }, fields, check) =>
  check?.without_time_zone > 0 || (format !== "ndjson" && !Object.values(fields).includes("time_zone"));

/**
 * `check`: what the import would do, once it is known; `zones`: what was chosen; `usual`: the service's zone, where it is
 * known; `hasColumn`: some column has zones, but not in all rows.
 */
export function TimeZones({ check, zones, usual, hasColumn, onChange }) {
  const facets = useFacets();
  const told = check?.zone_told_by_number ?? 0;
  const options = ["mine", ...(told > 0 || zones.how === "number" ? ["number"] : []), "one", "default"];
  return h(
    "div",
    { className: "import-open" },
    check?.without_time_zone > 0 && h(Missing, { check, zones, usual, hasColumn }),
    h(Choice, {
      label: t("import.zones.ask"),
      name: "time-zones",
      value: zones.how,
      onChange: (how) => onChange({ how, zone: zones.zone || timeZone() }),
      options: options.map((value) => ({
        value,
        label: t(`import.zones.${value}`, { zone: timeZone() }),
        words: t(`import.zones.${value}_words`, { zone: timeZone() }),
      })),
    }),
    zones.how === "one" &&
      h(Picker, {
        label: t("import.zones.which"),
        className: "import-zone",
        value: zones.zone || null,
        options: allZones(facets.of("time_zone")),
        onChange: (zone) => onChange({ how: "one", zone: zone ?? "" }),
      }),
  );
}

/** How many rows name none, and what that means for the hours in which they are texted. */
const Missing = ({ check, zones, usual, hasColumn }) =>
  h(
    Notice,
    { tone: "warn", title: t("import.zones.title", { smart_count: check.without_time_zone }) },
    [
      check.zone_told_by_number > 0 && t("import.zones.told", { smart_count: check.zone_told_by_number }),
      zones.how === "mine" && t("import.no_zone.mine", { zone: timeZone() }),
      zones.how === "default" && t("import.no_zone.this", { zone: usual ?? t("import.no_zone.usual") }),
      !hasColumn && t("import.no_zone.what"),
    ]
      .filter(Boolean)
      .join(" "),
  );
