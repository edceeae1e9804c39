// Webhooks: addresses that are told what happens; for admins.
import { WebhookList } from "./webhooks/list.js";

export default () => ({ name: "webhooks", list: WebhookList });
