// A person's own password: a button in the bar, which everybody sees whatever the role.
import { call } from "./api.js";
import { t } from "./i18n.js";
import { Field, useForm } from "./kit/form.js";
import { h, useId, useNotify, useState } from "./kit/lib.js";
import { Button, Dialog, Notice } from "./kit/parts.js";
import { icon } from "./kit/icons.js";
import { NewPassword } from "./pages/access/password.js";

const Key = icon("tokens");

export function PasswordButton() {
  const [open, setOpen] = useState(false);
  const label = t("password.change");
  return h(
    "span",
    null,
    h("button", { type: "button", className: "bar-button", "aria-label": label, title: label, onClick: () => setOpen(true) }, h(Key)),
    open && h(PasswordDialog, { onClose: () => setOpen(false) }),
  );
}

function PasswordDialog({ onClose }) {
  const notify = useNotify();
  const id = useId();
  const change = async (values) => {
    await call("/session/password", { method: "PUT", body: values });
    notify(t("password.changed"), { type: "success" });
    onClose();
  };
  const form = useForm({ current_password: "", new_password: "" }, change);
  const actions = [
    h(Button, { key: "no", onClick: onClose }, t("action.cancel")),
    h(Button, { key: "yes", type: "submit", form: id, kind: "primary", busy: form.busy }, t("password.change")),
  ];
  return h(
    Dialog,
    { title: t("password.title"), onClose, actions },
    h(
      "form",
      { id, className: "form-fields", onSubmit: form.submit },
      form.problem && h(Notice, { tone: "bad" }, form.problem.message),
      h(Field, {
        ...form.input("current_password"), type: "password", label: t("field.current_password"), autoComplete: "current-password",
        required: true, autoFocus: true,
      }),
      h(NewPassword, { label: t("field.new_password"), input: form.input("new_password") }),
      h("p", { className: "muted" }, t("password.ends_others")),
    ),
  );
}
