// The menu's icons: 24 × 24 strokes, in the colour of the text around them.
import { h } from "./lib.js";

const PATHS = {
  dashboard: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  mailings: "M4 11v3l3 .6L8.5 20H11l-1.2-4.9L19 17V5L4 9zM19 9a2.5 2.5 0 0 1 0 4",
  clients:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.6 2.9-6 6.5-6s6.500 2.400 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2.100.9 3.500 2.900 3.500 5.500",
  messages: "M4 5h16v11H10l-4 4v-4H4zM8 9h8M8 12h5",
  suppressions: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.700 5.700l12.600 12.600",
  engine:
    "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M5.600 18.400l2.100-2.100M16.300 7.700l2.100-2.100",
  audit: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  accounts: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4.400 3.600-7 8-7s8 2.600 8 7",
  webhooks: "M4 12h6M14 6.500a8 8 0 0 1 0 11M17 3.500a12 12 0 0 1 0 17M10 9v6l3-3z",
  sun: "M12 16.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  tokens: "M8 19.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM10.900 12.600 20 3.500M16 7.500l3 3M13.200 10.300l2 2",
};

/** An icon as a component, for react-admin's menu. */
export const icon = (name) => () =>
  h(
    "svg",
    { className: "icon", viewBox: "0 0 24 24", width: 22, height: 22, "aria-hidden": true },
    h("path", { d: PATHS[name] }),
  );
