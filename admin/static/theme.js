// Light or dark: as the person's system has it, or as the person has chosen. And react-admin's look, as far as MUI's theme
// reaches; our own parts are in panel.css, with the same colours.
const FONT =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, "Helvetica Neue", sans-serif';
const small = { defaultProps: { variant: "outlined", margin: "dense", size: "small" } };
const wide = ({ theme }) => ({ [theme.breakpoints.down("sm")]: { width: "100%" } });

const KEY = "mailing.theme"; // react-admin forgets its own at sign-out
/** The event after which another theme holds. */
export const THEME = "mailing:theme";
const system = matchMedia("(prefers-color-scheme: dark)");
// Read once and then told: Chromium fires no event for a change that a script has seen in `matches` before.
let ofSystem = system.matches ? "dark" : "light";

function chosen() {
  const kept = localStorage.getItem(KEY);
  return kept === "dark" || kept === "light" ? kept : null;
}

/** "light" or "dark". */
export const mode = () => chosen() ?? ofSystem;

function show() {
  document.documentElement.dataset.theme = mode();
  dispatchEvent(new Event(THEME));
}

system.addEventListener("change", ({ matches }) => {
  ofSystem = matches ? "dark" : "light";
  show();
});
show();

/** The other theme. A choice that is the system's own is none: it follows the system again. */
export function switchMode() {
  const wanted = mode() === "dark" ? "light" : "dark";
  if (wanted === ofSystem) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  show();
}

const PALETTES = {
  light: {
    primary: { main: "#1f5f99" },
    secondary: { main: "#1f4e79", contrastText: "#ffffff" },
    error: { main: "#b3261e" },
    background: { default: "#f4f6f8" },
    text: { primary: "#1b2733", secondary: "#55636f" },
  },
  dark: {
    primary: { main: "#86bdf0" },
    secondary: { main: "#1b3b5a", contrastText: "#ffffff" },
    error: { main: "#ff9d93" },
    background: { default: "#11171e", paper: "#1a222b" },
    text: { primary: "#e4ebf1", secondary: "#a7b4c0" },
    divider: "#2e3a46",
  },
};

/** MUI's theme of a mode. */
export const themeOf = (which) => ({
  palette: { mode: which, ...PALETTES[which] },
  shape: { borderRadius: 8 },
  typography: {
    fontFamily: FONT,
    h6: { fontWeight: 600, fontSize: "1.05rem" },
    button: { textTransform: "none", fontWeight: 600 },
  },
  sidebar: { width: 216, closedWidth: 52 },
  components: {
    MuiPaper: { defaultProps: { elevation: 0 }, styleOverrides: { root: { backgroundImage: "none" } } },
    MuiTextField: { ...small, variants: [{ props: {}, style: wide }] },
    MuiFormControl: small,
    MuiAutocomplete: { variants: [{ props: {}, style: wide }] },
    MuiCircularProgress: { defaultProps: { "aria-hidden": true } }, // it has no name, and says nothing that is not said
    MuiAppBar: { defaultProps: { elevation: 0, enableColorOnDark: true } },
  },
});
