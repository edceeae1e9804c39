// What can be done with the messages that a filter finds: take them away as a file, and write to their clients.
import { may } from "../../api.js";
import { t } from "../../i18n.js";
import { ExportButton } from "../../kit/export.js";
import { h } from "../../kit/lib.js";
import { NewForThese } from "../mailings/those.js";
import { filesOf } from "./file.js";

/** `found`: the filter of the list of messages; `about`: what it is called, where there are several. Who is on the stop list gets nothing. */
export function These({ found, about }) {
  const filter = Object.fromEntries(Object.entries(found).filter(([, value]) => value));
  const label = t(about ? "messages.export_short" : "messages.export");
  const canWrite = may("mailings.add") && found.reason !== "suppressed";
  return h(
    "div",
    { className: "these" },
    h(
      "div",
      { className: "row" },
      h(ExportButton, {
        name: "messages",
        ...filesOf(filter),
        label,
        title: about ? `${label}: ${about}` : label,
        words: t("messages.export_what"),
        button: about && { className: "small", "aria-label": `${label}: ${about}` },
      }),
      canWrite && found.mailing_id && h(NewForThese, { found, about }),
      canWrite && !found.mailing_id && h("span", { className: "muted small" }, t("messages.new_for_which")),
    ),
  );
}
