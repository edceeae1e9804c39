// Adding and editing a client: four fields, and what the engine says of each beside it.
import { call, dataProvider } from "../../api.js";
import { t, timeZone } from "../../i18n.js";
import { h, Link, useNavigate, useNotify, useParams, useState } from "../../kit/lib.js";
import { Input } from "../../kit/fields.js";
import { Button, Card, Loading, Notice, PageTitle, Trouble } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { usePoll } from "../../kit/poll.js";
import { allZones, useFacets } from "./facets.js";
import { readable } from "./phone.js";

const FIELDS = ["phone_number", "phone_code", "tag", "time_zone"];
const label = (key) => t(`resources.clients.fields.${key}`);

export function ClientCreate() {
  const start = { phone_number: "", phone_code: "", tag: "", time_zone: timeZone() };
  const save = async (data) => (await dataProvider.create("clients", { data })).data;
  return h("div", { className: "page" }, h(PageTitle, null, t("clients.create_title")), h(Form, { start, save, saved: "clients.created", back: "/clients" }));
}

export function ClientEdit() {
  const { id } = useParams();
  const { data: found, error, reload } = usePoll((signal) => call("/clients/one", { query: { id }, signal }), 0, id);
  const data = found?.data;
  if (!data) return h("div", { className: "page" }, error ? h(Trouble, { error, reload }) : h(Loading));
  const save = async (changed) => (await dataProvider.update("clients", { id, data: changed, previousData: data })).data;
  const start = { ...Object.fromEntries(FIELDS.map((key) => [key, data[key]])), phone_number: readable(data.phone_number) };
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("clients.edit_title", { phone: readable(data.phone_number) })),
    h(Form, { key: data.update_time, start, save, saved: "clients.saved", back: `/clients/${id}/show` }),
  );
}

function Form({ start, save, saved, back }) {
  const [client, setClient] = useState(start);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const facets = useFacets();
  const navigate = useNavigate();
  const notify = useNotify();
  const put = (key) => (value) => setClient((old) => ({ ...old, [key]: value ?? "" }));
  const wrong = problem?.body?.errors ?? {};
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const { id, phone_number: phone } = await save(client);
      notify(t(saved, { phone: readable(phone) }), { type: "success" });
      navigate(`/clients/${id}/show`);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const elsewhere = problem && !FIELDS.some((key) => key in wrong);
  const field = (key) => ({ label: label(key), error: wrong[key], onChange: put(key) });
  return h(
    Card,
    { className: "client-form-card" },
    h(
      "form",
      { className: "client-form", onSubmit: submit, noValidate: true },
      h(Input, {
        ...field("phone_number"),
        value: client.phone_number,
        type: "tel",
        inputMode: "tel",
        autoComplete: "off",
        autoFocus: true,
        placeholder: "+7 (916) 123-45-67",
        hint: t("clients.hint.phone_number"),
      }),
      h(Picker, {
        ...field("tag"),
        options: facets.tags.filter((each) => each.value !== ""),
        free: true,
        value: client.tag || null,
        hint: t("clients.hint.tag"),
      }),
      h(Picker, {
        ...field("time_zone"),
        options: allZones(facets.zones),
        value: client.time_zone || null,
        placeholder: "UTC",
        hint: t("clients.hint.time_zone"),
      }),
      h(Input, { ...field("phone_code"), value: client.phone_code, inputMode: "numeric", autoComplete: "off", hint: t("clients.hint.phone_code") }),
      elsewhere && h(Notice, { tone: "bad" }, problem.message),
      h(
        "div",
        { className: "client-form-actions" },
        h(Button, { kind: "primary", type: "submit", busy }, t("action.save")),
        h(Link, { className: "button", to: back }, t("action.cancel")),
      ),
    ),
  );
}
