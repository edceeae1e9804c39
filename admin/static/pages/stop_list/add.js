// Putting one number on the stop list.
import { dataProvider } from "../../api.js";
import { t } from "../../i18n.js";
import { Input, Select } from "../../kit/fields.js";
import { FormDialog, useForm } from "../../kit/form.js";
import { h, useNotify } from "../../kit/lib.js";
import { readable } from "../../kit/words.js";

const REASONS = ["opt_out", "complaint", "invalid", "manual"];

/** `phone`: the number, when it is known already. */
export function AddDialog({ phone, onAdded, onClose }) {
  const notify = useNotify();
  const add = async (values) => {
    const { data } = await dataProvider.create("suppressions", { data: { ...values, note: values.note.trim() } });
    const key = data.created ? "stop.added_one" : "stop.was_there";
    notify(t(key, { phone: readable(data.phone_number) }), { type: data.created ? "success" : "info" });
    onAdded();
    onClose();
  };
  const form = useForm({ phone_number: phone ?? "", reason: phone ? "opt_out" : "manual", note: "" }, add);
  return h(
    FormDialog,
    { title: t("stop.add_title"), form, submitLabel: t("stop.put"), onClose },
    phone
      ? h("p", { className: "phone-number" }, h("strong", null, readable(phone)))
      : h(Input, {
          ...form.input("phone_number"),
          label: t("field.phone_number"),
          inputMode: "tel",
          placeholder: "+7 916 123-45-67",
          required: true,
          autoFocus: true,
          autoComplete: "off",
        }),
    h(Select, {
      ...form.input("reason"),
      label: t("stop.reason"),
      options: REASONS.map((reason) => ({ value: reason, label: t(`stop.reason.${reason}`) })),
    }),
    h(Input, {
      ...form.input("note"),
      label: t("stop.note"),
      hint: t("stop.note_hint"),
      maxLength: 500,
      autoComplete: "off",
    }),
    h("p", { className: "muted" }, t("stop.add_words")),
  );
}
