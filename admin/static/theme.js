// react-admin's look, as far as MUI's theme reaches; our own parts are in panel.css, with the same colours.
const FONT =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, "Helvetica Neue", sans-serif';
const small = { defaultProps: { variant: "outlined", margin: "dense", size: "small" } };
const wide = ({ theme }) => ({ [theme.breakpoints.down("sm")]: { width: "100%" } });

export const theme = {
  palette: {
    primary: { main: "#1f5f99" },
    secondary: { main: "#1f4e79", contrastText: "#ffffff" },
    error: { main: "#b3261e" },
    background: { default: "#f4f6f8" },
    text: { primary: "#1b2733", secondary: "#55636f" },
  },
  shape: { borderRadius: 8 },
  typography: {
    fontFamily: FONT,
    h6: { fontWeight: 600, fontSize: "1.05rem" },
    button: { textTransform: "none", fontWeight: 600 },
  },
  sidebar: { width: 216, closedWidth: 52 },
  components: {
    MuiPaper: { defaultProps: { elevation: 0 } },
    MuiTextField: { ...small, variants: [{ props: {}, style: wide }] },
    MuiFormControl: small,
    MuiAutocomplete: { variants: [{ props: {}, style: wide }] },
    MuiAppBar: { defaultProps: { elevation: 0 } },
  },
};
