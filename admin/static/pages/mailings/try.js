// "Send it to me": the text as it stands, now, to one's own phone.
import { one, randomKey, rest } from "../../api.js";
import { saidOfCall, t } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { h, useRef, useState } from "../../kit/lib.js";
import { Button, Dialog, Notice } from "../../kit/parts.js";
import { usePoll } from "../../kit/poll.js";
import { readable } from "../../kit/words.js";
import { segmentsWords } from "./parts.js";

const KEPT = "mailing.test_phone";
const TONES = { sent: "good", not_sent: "bad", uncertain: "warn" };

/** The button, and its dialog. `clientId`: as this client gets it, where the text names something of clients. */
export function TryButton({ text, clientId, disabled }) {
  const [open, setOpen] = useState(false);
  return [
    h(Button, { key: "button", disabled, onClick: () => setOpen(true) }, t("mailings.try")),
    open && h(TryDialog, { key: "dialog", text, clientId, onClose: () => setOpen(false) }),
  ];
}

function TryDialog({ text, clientId, onClose }) {
  const [number, setNumber] = useState(() => localStorage.getItem(KEPT) ?? "");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState(null); // {result} or {error}
  const key = useRef(randomKey());
  const change = (typed) => {
    setNumber(typed);
    setSaid(null);
  };
  const send = async () => {
    setBusy(true);
    try {
      const body = { text, phone_numbers: [number], client_id: clientId };
      const [result] = await rest("/mailings/test", {
        method: "POST",
        body,
        headers: { "Idempotency-Key": key.current },
      });
      localStorage.setItem(KEPT, number);
      setSaid({ result });
      key.current = randomKey(); // the next click sends it again; after an error it may have been sent
    } catch (error) {
      if (error.status) key.current = randomKey();
      setSaid({ error });
    }
    setBusy(false);
  };
  const person = usePerson(clientId);
  const wrong = said?.error?.body?.errors?.phone_numbers;
  return h(
    Dialog,
    {
      title: t("mailings.try"),
      onClose,
      actions: [
        h(Button, { key: "close", onClick: onClose }, t("ra.action.close")),
        h(
          Button,
          { key: "send", kind: "primary", busy, disabled: !number.trim(), onClick: send },
          t("mailings.try.send"),
        ),
      ],
    },
    h(
      "p",
      { className: "muted" },
      person === null ? t("mailings.try.what") : t("mailings.try.as_client", { phone: person }),
    ),
    h(Input, {
      label: t("field.phone_number"),
      value: number,
      onChange: change,
      error: wrong,
      type: "tel",
      inputMode: "tel",
      autoComplete: "tel",
      autoFocus: true,
    }),
    h("div", { role: "status" }, said && !wrong && h(Outcome, said)),
  );
}

/** The number of the client whose values are put in, as people know one another; null: none are. */
function usePerson(clientId) {
  const { data } = usePoll(
    async (signal) => (clientId ? readable((await one("clients", clientId, signal)).phone_number) : null),
    0,
    String(clientId),
  );
  return clientId ? (data ?? "…") : null;
}

function Outcome({ result, error }) {
  if (error) return h(Notice, { tone: "bad" }, error.message);
  const { status, detail, segments } = result;
  const words = t(`mailings.try.${status}`, { segments: segmentsWords(segments) });
  return h(Notice, { tone: TONES[status], title: words }, saidOfCall(detail));
}
