// Mailings: what is registered, how it goes, and the form for a new one.
import { may } from "../api.js";
import { titleOf } from "../kit/words.js";
import { MailingCreate, MailingEdit } from "./mailings/form.js";
import { MailingList } from "./mailings/list.js";
import { MailingShow } from "./mailings/show.js";

export default () => ({
  name: "mailings",
  list: MailingList,
  show: MailingShow,
  ...(may("mailings.add") && { create: MailingCreate }),
  ...(may("mailings.edit") && { edit: MailingEdit }),
  recordRepresentation: (record) => titleOf(record),
});
