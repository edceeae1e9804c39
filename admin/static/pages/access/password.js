// A new password: typed or made, with the one rule there is, its length (NIST SP 800-63B, 5.1.1.2).
import { t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useState } from "../../kit/lib.js";
import { Button } from "../../kit/parts.js";

const LEAST = 8; // the engine's rule
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"; // 32 that nobody confuses: each is 5 random bits
const GROUPS = 4;
const GROUP = 5;

/** A password of 100 random bits, in groups to be read out. */
function generated() {
  const random = crypto.getRandomValues(new Uint8Array(GROUPS * GROUP));
  const letters = Array.from(random, (byte) => LETTERS[byte % LETTERS.length]);
  return Array.from({ length: GROUPS }, (_, at) => letters.slice(at * GROUP, (at + 1) * GROUP).join("")).join("-");
}

/** Its input; `onMade(password)`: a button that makes one. `input`: of useForm. */
export function NewPassword({ label, input, onMade }) {
  const [shown, setShown] = useState(false);
  const length = [...input.value].length;
  const hint =
    length > 0 && length < LEAST
      ? t("access.password_short", { smart_count: LEAST - length })
      : t("access.password_hint", { least: LEAST });
  return h(Input, {
    ...input,
    label,
    hint,
    type: shown ? "text" : "password",
    autoComplete: "new-password",
    required: true,
    spellCheck: false,
    after: [
      h(
        Button,
        { key: "show", "aria-pressed": shown, onClick: () => setShown(!shown) },
        shown ? t("access.hide") : t("access.show"),
      ),
      onMade &&
        h(
          Button,
          {
            key: "make",
            onClick: () => {
              setShown(true);
              onMade(generated());
            },
          },
          t("access.generate"),
        ),
    ],
  });
}
