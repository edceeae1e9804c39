// Clients: who can receive texts. The list, a client's page, the form, and the import of a file.

import { may } from "../api.js";
import { h, Route } from "../kit/lib.js";
import { readable } from "../kit/words.js";
import { ClientCreate, ClientEdit } from "./clients/form.js";
import { ClientImport } from "./clients/import.js";
import { ClientList } from "./clients/list.js";
import { ClientShow } from "./clients/show.js";

export default () => ({
  name: "clients",
  list: ClientList,
  show: ClientShow,
  create: may("clients.add") ? ClientCreate : undefined,
  edit: may("clients.edit") ? ClientEdit : undefined,
  recordRepresentation: (client) => readable(client.phone_number),
  children: may("clients.add") ? h(Route, { key: "import", path: "import", element: h(ClientImport) }) : undefined,
});
