// Rows that name no time zone, where the number's code tells it: whether it is to be taken from there.
import { t } from "../../i18n.js";
import { Choice } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Notice } from "../../kit/parts.js";

/** `check`: what the import would do; `byNumber`: what was chosen. */
export const TimeZones = ({ check, byNumber, onChange }) =>
  h(
    "div",
    { className: "import-open" },
    h(
      Notice,
      { title: t("import.zones.title", { smart_count: check.without_time_zone }) },
      t("import.zones.told", { smart_count: check.zone_told_by_number }),
    ),
    h(Choice, {
      label: t("import.zones.ask"),
      name: "time-zones",
      value: byNumber ? "number" : "default",
      onChange: (value) => onChange(value === "number"),
      options: ["default", "number"].map((value) => ({
        value,
        label: t(`import.zones.${value}`),
        words: t(`import.zones.${value}_words`),
      })),
    }),
  );

/** Rows of which nothing tells a time zone: what that means for the hours in which they are texted, and what to do. */
export const NoTimeZone = ({ check, zone }) =>
  h(
    Notice,
    {
      tone: "warn",
      title: t("import.no_zone.title", { smart_count: check.without_time_zone - check.zone_told_by_number }),
    },
    `${zone ? t("import.no_zone.this", { zone }) : t("import.no_zone.usual")} ${t("import.no_zone.what")}`,
  );
