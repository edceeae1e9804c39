// A person's own password: a button in the bar, which everybody sees whatever the role.
import { call } from "./api.js";
import { t } from "./i18n.js";
import { Input } from "./kit/fields.js";
import { FormDialog, useForm } from "./kit/form.js";
import { icon } from "./kit/icons.js";
import { h, useNotify, useState } from "./kit/lib.js";
import { BarButton } from "./kit/parts.js";
import { NewPassword } from "./pages/access/password.js";

const Key = icon("tokens");

export function PasswordButton() {
  const [open, setOpen] = useState(false);
  const label = t("password.change");
  return h(
    "span",
    null,
    h(BarButton, { icon: Key, label, onClick: () => setOpen(true) }),
    open && h(PasswordDialog, { onClose: () => setOpen(false) }),
  );
}

function PasswordDialog({ onClose }) {
  const notify = useNotify();
  const change = async (values) => {
    await call("/session/password", { method: "PUT", body: values });
    notify(t("password.changed"), { type: "success" });
    onClose();
  };
  const form = useForm({ current_password: "", new_password: "" }, change);
  return h(
    FormDialog,
    { title: t("password.title"), form, submitLabel: t("password.change"), onClose },
    h(Input, {
      ...form.input("current_password"),
      type: "password",
      label: t("field.current_password"),
      autoComplete: "current-password",
      required: true,
      autoFocus: true,
    }),
    h(NewPassword, { label: t("field.new_password"), input: form.input("new_password") }),
    h("p", { className: "muted" }, t("password.ends_others")),
  );
}
