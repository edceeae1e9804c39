// What is done to many clients at once.
import { dataProvider, list, may } from "../../api.js";
import { t } from "../../i18n.js";
import { h, useNotify, useState } from "../../kit/lib.js";
import { Button, ConfirmButton } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { allZones } from "./facets.js";

const AT_ONCE = 1000; // what the engine takes in one call
const CHOSEN_MAX = 10_000;

/** Calls `send(ids)` for some at a time; resolves to how many were there. */
async function inParts(ids, send) {
  let done = 0;
  for (let from = 0; from < ids.length; from += AT_ONCE)
    done += (await send(ids.slice(from, from + AT_ONCE))).data.length;
  return done;
}

async function idsOf(filter) {
  const ids = [];
  for (let page = 1; ids.length < CHOSEN_MAX; page += 1) {
    const { data } = await list("clients", { page, perPage: AT_ONCE, order: "ASC", filter });
    ids.push(...data.map((each) => each.id));
    if (data.length < AT_ONCE) break;
  }
  return ids.slice(0, CHOSEN_MAX);
}

export function BulkBar({ chosen, total, filter, facets, select, done }) {
  const count = chosen.length;
  const notify = useNotify();
  const change = (key, words) => async (value) => {
    const changed = await inParts(chosen, (ids) => dataProvider.updateMany("clients", { ids, data: { [key]: value } }));
    told(words, changed);
  };
  const remove = async () =>
    told("clients.deleted", await inParts(chosen, (ids) => dataProvider.deleteMany("clients", { ids })));
  const told = (words, changed) => {
    const gone = count - changed;
    notify(
      [t(words, { smart_count: changed }), gone > 0 && t("clients.gone", { smart_count: gone })]
        .filter(Boolean)
        .join(" "),
      { type: "success" },
    );
    done();
  };
  return h(
    "div",
    { className: "client-bulk", role: "group", "aria-label": t("clients.bulk") },
    h("strong", null, t("clients.chosen", { smart_count: count })),
    h(ChooseAll, { count, total, filter, select }),
    h(
      "div",
      { className: "row client-bulk-actions" },
      h(SetValue, {
        what: "tag",
        count,
        options: [{ value: "", label: t("none.tag") }, ...facets.of("tag").filter((each) => each.value !== "")],
        free: true,
        onSet: change("tag", "clients.tagged"),
      }),
      h(SetValue, {
        what: "time_zone",
        count,
        options: allZones(facets.of("time_zone")),
        onSet: change("time_zone", "clients.zoned"),
      }),
      may("clients.delete") &&
        h(
          ConfirmButton,
          {
            kind: "danger",
            label: t("clients.delete"),
            question: t("clients.delete_many", { smart_count: count }),
            confirmLabel: t("clients.delete_many_yes", { smart_count: count }),
            onConfirm: remove,
          },
          h(
            "ul",
            { className: "client-consequences" },
            ["delete_waiting_many", "delete_past_many", "delete_for_good"].map((key) =>
              h("li", { key }, t(`clients.${key}`)),
            ),
          ),
        ),
      h(Button, { onClick: () => select([]) }, t("clients.choose_none")),
    ),
  );
}

/** Choose all that match, beyond this page. */
function ChooseAll({ count, total, filter, select }) {
  const [busy, setBusy] = useState(false);
  const notify = useNotify();
  const most = Math.min(total, CHOSEN_MAX);
  if (count >= most) return null;
  const choose = async () => {
    setBusy(true);
    try {
      select(await idsOf(filter));
    } catch (error) {
      notify(error.message, { type: "error" });
    } finally {
      setBusy(false);
    }
  };
  return h(
    Button,
    { busy, onClick: choose },
    t(most < total ? "clients.choose_first" : "clients.choose_all", { count: most }),
  );
}

/** A button that asks for a value, and says whom it will be given. */
function SetValue({ what, count, options, free = false, onSet }) {
  const [value, setValue] = useState(null);
  const ready = value !== null;
  return h(
    ConfirmButton,
    {
      label: t(`clients.set_${what}`),
      question: t(`clients.set_${what}_question`, { smart_count: count }),
      confirmLabel: t("clients.set_yes", { smart_count: count }),
      onConfirm: () => (ready ? onSet(value) : Promise.reject(new Error(t(`clients.set_${what}_missing`)))),
    },
    h(Picker, { label: t(`resources.clients.fields.${what}`), options, free, inline: true, value, onChange: setValue }),
    ready &&
      h(
        "p",
        null,
        t(value === "" ? `clients.set_${what}_none` : `clients.set_${what}_words`, { smart_count: count, value }),
      ),
    what === "tag" && h("p", { className: "muted" }, t("clients.set_follow")),
  );
}
