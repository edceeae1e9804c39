// Signing in with somebody else's account (OpenID Connect): the button, and what is done when the person comes back.
import { beginOidc, finishOidc, oidcName } from "./api.js";
import { t } from "./i18n.js";
import { h, useEffect, useState } from "./kit/lib.js";
import { Button } from "./kit/parts.js";

const NEXT = "mailing.next"; // where the person was before: the way back leads over another site
const PARTS = ["code", "state", "iss", "error"];
const FORBIDDEN = 403;

/** What the provider has sent the person back with, or null; it is taken out of the address, and so it is there once. */
function takenAnswer() {
  const [path, query] = location.hash.split("?");
  const said = new URLSearchParams(query);
  if (path !== "#/login" || !(said.has("state") || said.has("error"))) return null;
  history.replaceState(history.state, "", "#/login");
  return Object.fromEntries(PARTS.filter((part) => said.has(part)).map((part) => [part, said.get(part)]));
}

/** Begin at the provider; `again`: it asks who it is even if it knows. */
async function leave(next, again) {
  const url = await beginOidc(again);
  if (next !== "/") sessionStorage.setItem(NEXT, next); // after a try that failed it is known here only
  location.assign(url);
}

/** Sign in with the answer that there is. Resolves to where the person was, or to null when there is no answer. */
async function comeBack(answer) {
  if (answer.error) throw new Error(t("sign_in.oidc_cancelled"));
  await finishOidc(answer);
  const next = sessionStorage.getItem(NEXT) ?? "/";
  sessionStorage.removeItem(NEXT);
  return next;
}

/**
 * The button for the other way in; nothing when there is none.
 * `next`: where the person was; `onBack(next)`: the person has signed in; `onError(error)`: not, or null at a new begin.
 */
export function OidcSignIn({ next, onBack, onError }) {
  const [name, setName] = useState(null);
  const [busy, setBusy] = useState(false);
  const [isUnknown, setUnknown] = useState(false);
  const failed = (error) => {
    setUnknown(error.status === FORBIDDEN);
    onError(error);
    setBusy(false);
  };

  useEffect(() => {
    oidcName().then(setName, () => {}); // without it there is the password
    const answer = takenAnswer();
    if (answer === null) return;
    setBusy(true);
    comeBack(answer).then(onBack, failed);
  }, []);

  const begin = () => {
    setBusy(true);
    onError(null);
    // Whoever is known there and not here would come back as the same person.
    leave(next, isUnknown).catch(failed);
  };
  if (name === null) return null;
  return h(
    "div",
    { className: "other-way" },
    h("span", { className: "muted" }, t("sign_in.or")),
    h(Button, { busy, onClick: begin }, t(isUnknown ? "sign_in.oidc_again" : "sign_in.oidc", { name })),
  );
}
