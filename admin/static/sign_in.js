// The page before all others.
import { signIn } from "./api.js";
import { changeLocale, LANGUAGES, locale, t } from "./i18n.js";
import { h, useEffect, useLocation, useState } from "./kit/lib.js";
import { Button, Notice } from "./kit/parts.js";
import { OidcSignIn } from "./oidc.js";

/** The event after which the panel starts anew: for another person, or in another language. */
export const FRESH = "mailing:fresh";

export function SignInPage() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
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
      await signIn(name.trim(), password);
      enter(next);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };

  return h(
    "main",
    { className: "sign-in" },
    h(
      "form",
      { className: "card", onSubmit: submit },
      h("img", { src: new URL("./icon.svg", import.meta.url).href, alt: "", width: 48, height: 48 }),
      h("h1", null, t("app.name")),
      error && h(Notice, { tone: "bad" }, error.message),
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
      h(Button, { type: "submit", kind: "primary", busy }, t("sign_in.submit")),
      h(OidcSignIn, { next, onBack: enter, onError: setError }),
      h(LanguageSwitch, null),
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
