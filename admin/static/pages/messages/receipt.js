// What the provider said after it had accepted a message: whether it arrived.
import { t } from "../../i18n.js";
import { h } from "../../kit/lib.js";
import { Card, DeliveryChip, Facts, Time } from "../../kit/parts.js";

/** The receipt of a message; of one that no provider has accepted there is mostly none to wait for. */
export function Receipt({ message: { delivery, status } }) {
  if (!delivery && status !== "sent") return null;
  const actions = delivery && h(DeliveryChip, { status: delivery.status });
  return h(
    Card,
    { title: t("messages.receipt"), actions },
    delivery ? h(Said, { delivery }) : h("p", { className: "plain muted" }, t("messages.receipt_none")),
  );
}

const Said = ({ delivery: { time, code, detail } }) =>
  h(Facts, {
    rows: [
      {
        key: "time",
        label: t("messages.receipt_time"),
        value: h(Time, { value: time, timeStyle: "medium" }),
        hint: t("messages.receipt_by"),
      },
      code && { key: "code", label: t("messages.receipt_code"), value: code },
      detail && { key: "detail", label: t("messages.provider_words"), value: detail },
    ],
  });
