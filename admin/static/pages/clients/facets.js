// The values that clients have, as choices with how many clients have each.
import { call } from "../../api.js";
import { known, t, zoneName } from "../../i18n.js";
import { useMemo } from "../../kit/lib.js";
import { usePoll } from "../../kit/poll.js";

const EVERY_MS = 30_000;

/** A time zone as people look for it: by its city in their language too. */
function zoneLabel(zone) {
  const city = known(`zone.${zone}`);
  return city === undefined || zone.endsWith(city) ? zoneName(zone) : `${city} (${zone})`;
}

const choice = (key, { value, client_count: count }) => ({
  value,
  label: value === "" ? t(`none.${key}`) : key === "time_zone" ? zoneLabel(value) : value,
  count,
});

/** {of(key), total, error, reload}: choices of a field for a Picker, the one of clients without a value included. */
export function useFacets() {
  const { data, error, reload } = usePoll((signal) => call("/clients/facets", { signal }), EVERY_MS);
  return useMemo(() => {
    const of = (key) => (data?.[`${key}s`] ?? []).map((each) => choice(key, each));
    return { of, total: data?.client_count, error, reload };
  }, [data, error, reload]);
}

/** All time zones there are, but for mere offsets; those that clients have come first, with their counts. */
export function allZones(used) {
  const there = new Set(used.map((each) => each.value));
  const rest = ["UTC", ...Intl.supportedValuesOf("timeZone")].filter(
    (each, index, all) => !there.has(each) && !each.startsWith("Etc/") && all.indexOf(each) === index,
  );
  return [...used, ...rest.map((value) => ({ value, label: zoneLabel(value) }))];
}
