// What can be done with the messages that a filter finds: take them away as a file, and write to their clients.
import { download, may } from "../../api.js";
import { t } from "../../i18n.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Trouble } from "../../kit/parts.js";
import { NewForThese } from "../mailings/those.js";

const today = () => new Date().toLocaleDateString("sv"); // 2026-11-23

/** `found`: the filter of the list of messages. */
export function These({ found, small = false }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const query = new URLSearchParams(Object.entries(found).filter(([, value]) => value));
      await download(`/api/v1/messages/export?${query}`, `messages-${today()}.csv`);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return h(
    "div",
    { className: "these" },
    h(
      "div",
      { className: "row" },
      h(Button, { className: small ? "small" : "", busy, onClick: save }, t("messages.export")),
      may("mailings.add") && found.mailing_id && h(NewForThese, { found, small }),
      may("mailings.add") && !found.mailing_id && h("span", { className: "muted small" }, t("messages.new_for_which")),
    ),
    h(Trouble, { error }),
  );
}
