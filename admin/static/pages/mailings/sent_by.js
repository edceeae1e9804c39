// Which provider sends a mailing, and from which name: asked where there is a choice.
import { rest } from "../../api.js";
import { t } from "../../i18n.js";
import { Select } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { usePoll } from "../../kit/poll.js";

const readEngine = (signal) => rest("/engine", { signal });

/** What is chosen stands among the choices even where it is there no more: else the form would change it unasked. */
const choices = (names, chosen, none) => [
  { value: "", label: none },
  ...[...new Set([...names, chosen])].filter(Boolean).map((name) => ({ value: name, label: name })),
];

/** `provider`, `sender`: each {field, error}. Where there is one provider, and it takes no sender, there is nothing to ask. */
export function SentBy({ provider, sender }) {
  const { data } = usePoll(readEngine, 0); // the engine away: the preview says so
  const providers = (data?.providers ?? []).filter((each) => !each.retired);
  const chosen = provider.field.value;
  const senders = providers.filter((each) => !chosen || each.name === chosen).flatMap((each) => each.senders);
  const asks = (among, { field, error }) => among || field.value || error;
  return [
    asks(providers.length > 1, provider) &&
      h(Select, {
        key: "provider",
        label: t("mailings.form.provider"),
        hint: t("mailings.form.provider_hint"),
        error: provider.error,
        value: chosen,
        onChange: provider.field.onChange,
        options: choices(
          providers.map((each) => each.name),
          chosen,
          t("mailings.form.provider_any"),
        ),
      }),
    asks(senders.length > 0, sender) &&
      h(Select, {
        key: "sender",
        label: t("mailings.form.sender"),
        hint: t("mailings.form.sender_hint"),
        error: sender.error,
        value: sender.field.value,
        onChange: sender.field.onChange,
        options: choices(senders, sender.field.value, t("mailings.form.sender_any")),
      }),
  ];
}
