// What each role may do, to choose one by.
import { t } from "../../i18n.js";
import { Choice } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";
import { Chip } from "../../kit/parts.js";

const ROLES = ["viewer", "operator", "admin"];
const FOR_TOKENS = [...ROLES, "provider"];
const TONES = { viewer: "quiet", operator: "busy", admin: "warn", provider: "quiet" };

export const RoleChip = ({ role }) =>
  h(Chip, { tone: TONES[role], title: t(`access.role.${role}`) }, t(`role.${role}`));

/** `tokens`: of a program, which may be a provider's. */
export const RoleChoice = ({ value, onChange, tokens = false }) =>
  h(Choice, {
    label: t("access.role"),
    name: "role",
    value,
    onChange,
    options: (tokens ? FOR_TOKENS : ROLES).map((role) => ({
      value: role,
      label: t(`role.${role}`),
      words: t(`access.role.${role}`),
    })),
  });
