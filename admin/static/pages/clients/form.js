// Adding and editing a client: its fields, and what the engine says of each beside it.
import { dataProvider, one } from "../../api.js";
import { t, timeZone } from "../../i18n.js";
import { Input } from "../../kit/fields.js";
import { useForm } from "../../kit/form.js";
import { h, Link, useNavigate, useNotify, useParams, useState } from "../../kit/lib.js";
import { Button, Card, Loading, PageTitle, Trouble } from "../../kit/parts.js";
import { Picker } from "../../kit/picker.js";
import { usePoll } from "../../kit/poll.js";
import { readable } from "../../kit/words.js";
import { AttributeFields, attributesOf, rowsOf } from "./attributes.js";
import { FIELDS, KEYS } from "./columns.js";
import { useFacets } from "./facets.js";

export function ClientCreate() {
  const start = { ...Object.fromEntries(KEYS.map((key) => [key, ""])), time_zone: timeZone(), attributes: [] };
  const save = async (data) => (await dataProvider.create("clients", { data })).data;
  return h(
    "div",
    { className: "page" },
    h(PageTitle, null, t("clients.create_title")),
    h(Form, { start, save, saved: "clients.created", back: "/clients" }),
  );
}

export function ClientEdit() {
  const { id } = useParams();
  const { data, error, reload } = usePoll((signal) => one("clients", id, signal), 0, id);
  return h(
    "div",
    { className: "page" },
    data ? h(Editing, { key: id, found: data }) : error ? h(Trouble, { error, reload }) : h(Loading),
  );
}

/** What is changed is told from the client as the person has found it, whatever has become of it meanwhile. */
function Editing({ found }) {
  const [client] = useState(found);
  const { id, phone_number: phone } = client;
  const save = async (data) => (await dataProvider.update("clients", { id, data, previousData: client })).data;
  const fields = Object.fromEntries(KEYS.map((key) => [key, client[key]]));
  const start = { ...fields, phone_number: readable(phone), attributes: rowsOf(client.attributes) };
  return [
    h(PageTitle, { key: "title" }, t("clients.edit_title", { phone: readable(phone) })),
    h(Form, { key: "form", start, save, saved: "clients.saved", back: `/clients/${id}/show` }),
  ];
}

function Form({ start, save, saved, back }) {
  const facets = useFacets();
  const navigate = useNavigate();
  const notify = useNotify();
  const form = useForm(start, async (values) => {
    const { id, phone_number: phone } = await save({ ...values, attributes: attributesOf(values.attributes) });
    notify(t(saved, { phone: readable(phone) }), { type: "success" });
    navigate(`/clients/${id}/show`);
  });
  const field = (key) => ({
    ...form.input(key),
    label: t(`resources.clients.fields.${key}`),
    hint: t(`clients.hint.${key}`),
  });
  const picked = (key) => ({
    ...field(key),
    value: form.values[key] || null,
    onChange: (value) => form.set(key, value ?? ""),
  });
  return h(
    Card,
    { className: "client-form-card" },
    h(
      "form",
      { className: "form-fields", onSubmit: form.submit, noValidate: true },
      FIELDS.map(({ key, options, free, input }) =>
        options
          ? h(Picker, { key, ...picked(key), options: options(facets.of(key)), free })
          : h(Input, { key, ...field(key), autoComplete: "off", autoFocus: key === KEYS[0], ...input }),
      ),
      h(AttributeFields, {
        rows: form.values.attributes,
        onChange: (rows) => form.set("attributes", rows),
        error: form.input("attributes").error,
      }),
      h(Trouble, { error: form.problem, aside: true }),
      h(
        "div",
        { className: "row" },
        h(Button, { kind: "primary", type: "submit", busy: form.busy }, t("action.save")),
        h(Link, { className: "button", to: back }, t("action.cancel")),
      ),
    ),
  );
}
