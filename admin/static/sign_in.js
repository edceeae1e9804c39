// The page before all others.
import { FRESH, signIn } from "./api.js";
import { changeLocale, LANGUAGES, locale, t } from "./i18n.js";
import { Fragment, h, useEffect, useLocation, useState } from "./kit/lib.js";
import { Button, Notice } from "./kit/parts.js";
import { OidcSignIn } from "./oidc.js";

const CODE_REQUIRED = "ONE_TIME_CODE_REQUIRED";
const WRONG_CODE = "WRONG_ONE_TIME_CODE";

export function SignInPage() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState(null); // null: nobody has asked for it
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const { state } = useLocation();
  useEffect(() => {
    document.title = `${t("sign_in.title")} · ${t("app.name")}`;
  }, []);

  const next = `${state?.nextPathname ?? "/"}${state?.nextSearch ?? ""}`; // react-admin's names, see SignInLink
  const enter = (path) => {
    location.hash = `#${path}`;
    dispatchEvent(new Event(FRESH));
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(name.trim(), password, code);
      enter(next);
    } catch (problem) {
      const { code: reason } = problem.fault ?? {};
      if (reason === CODE_REQUIRED || reason === WRONG_CODE) setCode("");
      else if (problem.status === 401) setCode(null);
      setError(reason === CODE_REQUIRED ? null : problem);
      setBusy(false);
    }
  };
  const turnTo = (step) => () => {
    setCode(step);
    setError(null);
  };

  return h(
    "main",
    { className: "sign-in" },
    h(
      "form",
      { className: "card", onSubmit: submit },
      h("img", { src: new URL("./icon.svg", import.meta.url).href, alt: "", width: 48, height: 48 }),
      h("h1", null, t(code === null ? "app.name" : "sign_in.code_title")),
      error && h(Notice, { tone: "bad" }, error.message),
      code === null
        ? h(FirstStep, { name, setName, password, setPassword })
        : h(SecondStep, { code, setCode, onOther: turnTo(""), onBack: turnTo(null) }),
      h(Button, { type: "submit", kind: "primary", busy }, t("sign_in.submit")),
      code === null && h(OidcSignIn, { next, onBack: enter, onError: setError }),
      h(LanguageSwitch, null),
    ),
  );
}

const FirstStep = ({ name, setName, password, setPassword }) =>
  h(
    Fragment,
    null,
    h(
      "label",
      null,
      t("sign_in.name"),
      h("input", {
        name: "username",
        autoComplete: "username",
        autoFocus: true,
        required: true,
        value: name,
        onChange: (event) => setName(event.target.value),
      }),
    ),
    h(
      "label",
      null,
      t("sign_in.password"),
      h("input", {
        name: "password",
        type: "password",
        autoComplete: "current-password",
        required: true,
        value: password,
        onChange: (event) => setPassword(event.target.value),
      }),
    ),
  );

/** The code of the person's app; for who has none at hand one of those that were kept for that. */
function SecondStep({ code, setCode, onOther, onBack }) {
  const [isRecovery, setRecovery] = useState(false);
  const other = () => {
    setRecovery(!isRecovery);
    onOther();
  };
  const ways = isRecovery ? { autoComplete: "off" } : { autoComplete: "one-time-code", inputMode: "numeric" };
  return h(
    Fragment,
    null,
    h(
      "label",
      { key: String(isRecovery) },
      t(isRecovery ? "sign_in.recovery_code" : "sign_in.code"),
      h("input", {
        ...ways,
        name: "one_time_code",
        autoFocus: true,
        autoCapitalize: "none",
        spellCheck: false,
        required: true,
        value: code,
        onChange: (event) => setCode(event.target.value),
      }),
    ),
    h(
      "div",
      { className: "languages" },
      h("button", { type: "button", onClick: other }, t(isRecovery ? "sign_in.use_app" : "sign_in.use_recovery")),
      h("button", { type: "button", onClick: onBack }, t("sign_in.back")),
    ),
  );
}

/** For pages outside react-admin's bar, which has its own. */
function LanguageSwitch() {
  const choose = (wanted) => changeLocale(wanted).then(() => dispatchEvent(new Event(FRESH)));
  return h(
    "div",
    { className: "languages", role: "group", "aria-label": t("language") },
    LANGUAGES.map((each) =>
      h(
        "button",
        {
          key: each.locale,
          type: "button",
          lang: each.locale,
          "aria-pressed": each.locale === locale(),
          onClick: () => choose(each.locale),
        },
        each.name,
      ),
    ),
  );
}
