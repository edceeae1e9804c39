// The panel. aiohttp-admin's bundle imports this module as its `js_module`, to learn components from it.
//
// The bundle's own application can show neither a dashboard nor pages of ours, and speaks English only (docs/measured.md). So
// this module draws an application of its own out of the bundle's react-admin, and never finishes being imported: the
// bundle waits for it before it draws its own. See docs/decisions/panel.md.
import { authProvider, dataProvider, FRESH, identity, isAdmin, mustSetUpFirst } from "./api.js";
import { i18nProvider, t } from "./i18n.js";
import { icon } from "./kit/icons.js";
import { createRoot, h, Link, RA, React, useEffect, useMemo, useState } from "./kit/lib.js";
import { BarButton, Card, Empty, PageTitle, useTabTitle } from "./kit/parts.js";
import { REFRESH } from "./kit/poll.js";
import accounts from "./pages/accounts.js";
import audit from "./pages/audit.js";
import clients from "./pages/clients.js";
import { Dashboard } from "./pages/dashboard.js";
import engine from "./pages/engine.js";
import mailings from "./pages/mailings.js";
import messages from "./pages/messages.js";
import suppressions from "./pages/suppressions.js";
import tokens from "./pages/tokens.js";
import webhooks from "./pages/webhooks.js";
import { PasswordButton } from "./password.js";
import { SignInPage } from "./sign_in.js";
import { mode, switchMode, THEME, themeOf } from "./theme.js";
import { SetUpFirst, TwoStepButton } from "./two_step.js";

const { Admin, AppBar, Layout, Resource, TitlePortal } = RA;
const Sun = icon("sun");
const Moon = icon("moon");
const FOR_ALL = [mailings, clients, messages, suppressions, engine, audit];
const FOR_ADMINS = [accounts, tokens, webhooks];

const REFRESH_BUTTON = ".RaLoadingIndicator-loadedIcon"; // the bundle neither exports it nor lets us replace it alone

/** react-admin's refresh button makes its own lists ask again; our pages hear of it by an event. */
const refreshed = ({ target }) => target.closest(REFRESH_BUTTON) && dispatchEvent(new Event(REFRESH));

function Bar() {
  useTabTitle();
  return h(
    AppBar,
    { alwaysOn: true, onClick: refreshed },
    h(TitlePortal, { component: "h1" }),
    h(ThemeButton),
    !identity()?.issuer && h(TwoStepButton),
    !identity()?.issuer && h(PasswordButton),
  );
}

function ThemeButton() {
  const label = t(mode() === "dark" ? "theme.light" : "theme.dark");
  return h(BarButton, { icon: mode() === "dark" ? Sun : Moon, label, onClick: switchMode });
}

const NotFound = () =>
  h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("ra.page.not_found")),
    h(
      Card,
      null,
      h(Empty, { words: t("ra.message.not_found") }, h(Link, { className: "button primary", to: "/" }, t("page.home"))),
    ),
  );

const Frame = (props) => h(Layout, { ...props, appBar: Bar, appBarAlwaysOn: true });

/** A page's module says {name, list, show, edit, create, children}: see the pages. */
const resource = ({ children, ...page }) => h(Resource, { key: page.name, icon: icon(page.name), ...page }, children);

const resources = () => [...FOR_ALL, ...(isAdmin() ? FOR_ADMINS : [])].map((page) => resource(page()));

/** MUI's theme, as it changes. */
function useTheme() {
  const [shown, setShown] = useState(mode);
  useEffect(() => {
    const changed = () => setShown(mode());
    addEventListener(THEME, changed);
    return () => removeEventListener(THEME, changed);
  }, []);
  return useMemo(() => themeOf(shown), [shown]);
}

function Panel() {
  const theme = useTheme();
  const [visit, setVisit] = useState(0);
  useEffect(() => {
    const again = () => setVisit((count) => count + 1);
    addEventListener(FRESH, again);
    return () => removeEventListener(FRESH, again);
  }, []);
  const options = {
    title: t("app.name"),
    dataProvider,
    authProvider,
    i18nProvider,
    theme,
    darkTheme: null,
    layout: Frame,
    dashboard: Dashboard,
    catchAll: NotFound,
    loginPage: SignInPage,
    requireAuth: true,
    disableTelemetry: true,
  };
  if (mustSetUpFirst()) return h(SetUpFirst, { key: visit });
  // With another key all of it starts anew: nothing of whoever was signed in before stays in memory.
  return h(Admin, { key: visit, ...options }, resources);
}

createRoot(document.getElementById("root")).render(h(React.StrictMode, null, h(Panel)));

await new Promise(() => {});
