// Messages: one text to one client each, and what became of it.
import { MessageList } from "./messages/list.js";
import { MessagePage } from "./messages/show.js";

export default () => ({
  name: "messages",
  list: MessageList,
  show: MessagePage,
  recordRepresentation: (message) => String(message.id),
});
