// Two-step sign-in as a person sets it up: a button in the bar, and a page before all others for who must have it.
import { FRESH, rest, saveAs, setUpIsDone, signOut } from "./api.js";
import { t } from "./i18n.js";
import { Input } from "./kit/fields.js";
import { FormDialog, useForm } from "./kit/form.js";
import { icon } from "./kit/icons.js";
import { h, useEffect, useNotify, useState } from "./kit/lib.js";
import { BarButton, Button, Copyable, Dialog, Facts, Loading, Notice, Time, Trouble } from "./kit/parts.js";

const Shield = icon("shield");
const PATH = "/session/totp";
const FEW_CODES = 3;
const send = (path, body) => rest(`${PATH}${path}`, { method: "POST", body });

export function TwoStepButton() {
  const [open, setOpen] = useState(false);
  const label = t("two_step.button");
  return h(
    "span",
    null,
    h(BarButton, { icon: Shield, label, onClick: () => setOpen(true) }),
    open && h(TwoStep, { onClose: () => setOpen(false) }),
  );
}

/** Where the dialog is: what there is, or one of the things that can be done. */
function TwoStep({ onClose }) {
  const [state, setState] = useState(null);
  const [error, setError] = useState(null);
  const [act, setAct] = useState(null);
  const notify = useNotify();
  useEffect(() => {
    rest(PATH).then(setState, setError);
  }, []);
  const close = { onClose };
  if (act === "begin") return h(SetUp, { isOn: Boolean(state.enable_time), ...close });
  if (act === "codes") return h(NewCodes, close);
  if (act === "off") {
    const done = () => {
      notify(t("two_step.turned_off"), { type: "success" });
      onClose();
    };
    return h(TurnOff, { done, ...close });
  }
  return h(Overview, { state, error, setAct, ...close });
}

function Overview({ state, error, setAct, onClose }) {
  const button = (act, words, kind = "plain") => h(Button, { key: act, kind, onClick: () => setAct(act) }, t(words));
  const isOn = Boolean(state?.enable_time);
  const actions = [
    h(Button, { key: "no", onClick: onClose }, t("two_step.close")),
    state && !isOn && button("begin", "two_step.set_up", "primary"),
  ];
  return h(
    Dialog,
    { title: t("two_step.title"), onClose, actions },
    h(Trouble, { error, aside: true }),
    !state && !error && h(Loading),
    state && (isOn ? h(IsOn, { state, button }) : h("p", null, t("two_step.off_words"))),
  );
}

function IsOn({ state, button }) {
  const rows = [
    { key: "since", label: t("two_step.on_since"), value: h(Time, { value: state.enable_time }) },
    { key: "left", label: t("two_step.codes_left"), value: String(state.recovery_code_count) },
  ];
  return h(
    "div",
    { className: "form-fields" },
    h(Facts, { rows }),
    state.recovery_code_count <= FEW_CODES && h(Notice, { tone: "warn" }, t("two_step.few_codes")),
    h(
      "div",
      { className: "row" },
      button("codes", "two_step.new_codes"),
      button("begin", "two_step.move"),
      !state.required && button("off", "two_step.turn_off", "danger"),
    ),
    state.required && h("p", { className: "muted" }, t("two_step.required")),
  );
}

/** From the password to the recovery codes. `isOn`: another app takes the place of the one there is. */
function SetUp({ isOn, onClose }) {
  const [begun, setBegun] = useState(null);
  const [codes, setCodes] = useState(null);
  if (codes) return h(Codes, { codes, onClose });
  if (begun) return h(Scan, { begun, onDone: setCodes, onClose });
  return h(Begin, { isOn, onBegun: setBegun, onClose });
}

function Begin({ isOn, onBegun, onClose }) {
  const form = useForm({ current_password: "", one_time_code: "" }, async (values) =>
    onBegun(await send("", isOn ? values : { current_password: values.current_password })),
  );
  return h(
    FormDialog,
    { title: t(isOn ? "two_step.move" : "two_step.title"), form, submitLabel: t("two_step.next"), onClose },
    h("p", { className: "muted" }, t(isOn ? "two_step.move_words" : "two_step.off_words")),
    h(Input, {
      ...form.input("current_password"),
      type: "password",
      label: t("field.current_password"),
      autoComplete: "current-password",
      required: true,
      autoFocus: true,
    }),
    isOn && h(OwnCode, { form }),
  );
}

/** The picture and the key, and a code that shows that the app has them. */
function Scan({ begun, onDone, onClose }) {
  const form = useForm({ one_time_code: "" }, async (values) =>
    onDone((await send("/confirm", values)).recovery_codes),
  );
  return h(
    FormDialog,
    { title: t("two_step.scan_title"), form, submitLabel: t("two_step.turn_on"), onClose },
    h("p", null, t("two_step.scan")),
    h("img", {
      className: "qr",
      alt: t("two_step.qr"),
      src: `data:image/svg+xml,${encodeURIComponent(begun.qr_code)}`,
    }),
    h("p", { className: "muted" }, t("two_step.type_secret")),
    h(Copyable, { text: begun.secret.replace(/(.{4})(?=.)/g, "$1 "), label: t("two_step.secret") }),
    h(Input, {
      ...form.input("one_time_code"),
      label: t("two_step.enter_code"),
      autoComplete: "one-time-code",
      inputMode: "numeric",
      required: true,
      autoFocus: true,
    }),
    h("p", { className: "muted" }, t("two_step.ends_others")),
  );
}

function Codes({ codes, onClose }) {
  const text = codes.join("\n");
  const save = () => saveAs(new Blob([`${text}\n`], { type: "text/plain" }), "mailing-recovery-codes.txt");
  return h(
    Dialog,
    {
      title: t("two_step.codes_title"),
      stays: true,
      onClose,
      actions: [
        h(Button, { key: "save", onClick: save }, t("two_step.codes_download")),
        h(Button, { key: "noted", kind: "primary", onClick: onClose }, t("two_step.codes_noted")),
      ],
    },
    h("p", null, t("two_step.codes_words")),
    h(
      "ol",
      { className: "recovery-codes", "aria-label": t("two_step.codes_label") },
      codes.map((code) => h("li", { key: code }, h("code", null, code))),
    ),
  );
}

function NewCodes({ onClose }) {
  const [codes, setCodes] = useState(null);
  const form = useForm({ one_time_code: "" }, async (values) =>
    setCodes((await send("/recovery_codes", values)).recovery_codes),
  );
  if (codes) return h(Codes, { codes, onClose });
  return h(
    FormDialog,
    { title: t("two_step.new_codes"), form, submitLabel: t("two_step.new_codes"), onClose },
    h("p", { className: "muted" }, t("two_step.new_codes_words")),
    h(OwnCode, { form, autoFocus: true }),
  );
}

function TurnOff({ done, onClose }) {
  const form = useForm({ one_time_code: "" }, async (values) => {
    await send("/disable", values);
    done();
  });
  return h(
    FormDialog,
    { title: t("two_step.turn_off"), form, submitLabel: t("two_step.turn_off"), onClose },
    h("p", { className: "muted" }, t("two_step.turn_off_words")),
    h(OwnCode, { form, autoFocus: true }),
  );
}

/** A code of the app that is used, or a recovery code: letters must be possible. */
const OwnCode = ({ form, autoFocus = false }) =>
  h(Input, {
    ...form.input("one_time_code"),
    label: t("two_step.own_code"),
    autoComplete: "one-time-code",
    autoCapitalize: "none",
    spellCheck: false,
    required: true,
    autoFocus,
  });

/** In place of the panel: the engine lets the person do nothing else. */
export function SetUpFirst() {
  const [open, setOpen] = useState(false);
  const fresh = () => dispatchEvent(new Event(FRESH));
  const close = async () => {
    setOpen(false);
    const state = await rest(PATH).catch(() => null);
    if (!state?.enable_time) return;
    setUpIsDone();
    fresh();
  };
  return h(
    "main",
    { className: "sign-in" },
    h(
      "section",
      { className: "card" },
      h("h1", null, t("two_step.first_title")),
      h("p", null, t("two_step.first_words")),
      h(Button, { kind: "primary", onClick: () => setOpen(true) }, t("two_step.set_up")),
      h(Button, { onClick: () => signOut().then(fresh) }, t("two_step.sign_out")),
    ),
    open && h(SetUp, { isOn: false, onClose: close }),
  );
}
