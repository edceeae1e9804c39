// Adding an account: the form, and then what to give to the person.
import { dataProvider } from "../../api.js";
import { t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { FormDialog, useForm } from "../../kit/form.js";
import { h, useState } from "../../kit/lib.js";
import { Button, Copyable, Dialog } from "../../kit/parts.js";
import { NewPassword } from "./password.js";
import { RoleChoice } from "./role.js";

export function AccountDialog({ onMade, onClose }) {
  const [made, setMade] = useState(null);
  const create = async (values) => {
    await dataProvider.create("accounts", { data: { ...values, name: values.name.trim() } });
    setMade(values);
    onMade();
  };
  return made ? h(Made, { account: made, onClose }) : h(AccountForm, { create, onClose });
}

function AccountForm({ create, onClose }) {
  const form = useForm({ name: "", role: "viewer", password: "" }, create);
  return h(
    FormDialog,
    { title: t("accounts.add_title"), form, submitLabel: t("accounts.add"), onClose },
    h(Input, {
      ...form.input("name"),
      label: t("field.name"),
      hint: t("accounts.name_hint"),
      required: true,
      autoFocus: true,
      autoComplete: "off",
      autoCapitalize: "none",
      spellCheck: false,
    }),
    h(RoleChoice, { value: form.values.role, onChange: (role) => form.set("role", role) }),
    h(NewPassword, {
      label: t("field.password"),
      input: form.input("password"),
      onMade: (password) => form.set("password", password),
    }),
  );
}

function Made({ account, onClose }) {
  return h(
    Dialog,
    {
      title: t("accounts.made", { name: account.name }),
      stays: true,
      onClose,
      actions: h(Button, { kind: "primary", onClick: onClose }, t("access.noted")),
    },
    h("p", null, t("accounts.made_words", { name: account.name })),
    h(Copyable, { text: account.password, label: t("field.password") }),
    h("p", { className: "muted" }, t("accounts.made_hint")),
  );
}
