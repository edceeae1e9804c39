"""Messages and what became of them; nobody writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.asked import checked, whole_number
from admin.resources.base import PanelResource
from gateway.schemas import MessageListQuerySchema
from gateway.translate import list_messages_proto, message_detail_json, message_json
from mailing.v1 import message_service_pb2 as pb


class MessageResource(PanelResource):
    """One text to one client."""

    name = "messages"
    shown = (
        "id", "mailing_id", "client_id", "phone_number", "status", "reason", "attempts", "create_time", "sent_time",
        "final_time", "next_attempt_time", "text_version", "text", "last_error", "attempt_history",
    )  # fmt: skip
    filters = ("mailing_id", "client_id", "status", "reason")

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page, without the attempts."""
        ids = {key: whole_number(filters, key) for key in ("mailing_id", "client_id")}
        words = {key: value for key, value in filters.items() if key not in ids}
        asked = list_messages_proto({**checked(MessageListQuerySchema, words), **ids})
        asked.MergeFrom(pb.ListMessagesRequest(**paging))
        found = await self.call(self.engine.messages.ListMessages, asked)
        return [message_json(each) for each in found.messages], found.total_size

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read one message with its attempts."""
        asked = pb.GetMessageRequest(message_id=record_id)
        return message_detail_json(await self.call(self.engine.messages.GetMessage, asked))
