"""Messages and what became of them; nobody writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp_admin.backends.abc import Meta, Record

from admin.file_export import export, messages_file
from admin.resources.base import PanelResource
from admin.resources.parameters import checked, whole_number
from common.contract.codec import json_of, message_of
from gateway.routes.operations import binding_named
from gateway.shapes import query_of
from mailing.v1 import message_service_pb2 as pb
from mailing.v1.message_pb2 import Message

_QUERY: Final = query_of(binding_named("listMessages"))


class MessageResource(PanelResource):
    """One text to one client."""

    name = "messages"
    kind = Message
    filters = ("mailing_id", "client_id", "status", "reason", "delivery")

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page, without the attempts."""
        asked = message_of(pb.ListMessagesRequest, _asked(filters))
        asked.MergeFrom(pb.ListMessagesRequest(**paging))
        found = await self.call(self.engine.messages.ListMessages, asked)
        return [json_of(each) for each in found.messages], found.total_size

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read one message with its attempts."""
        asked = pb.GetMessageRequest(message_id=record_id)
        return json_of(await self.call(self.engine.messages.GetMessage, asked), detail=True)

    def more_routes(self) -> Sequence[web.RouteDef]:
        """What the list finds as a file."""
        return (web.get("/messages/export", self._named(self._export), allow_head=False, name="messages_export"),)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        asked = message_of(pb.ExportMessagesRequest, _asked(self.filters_in(request)))
        return await export(request, self.engine, messages_file(self.engine), asked, request.query.get("format", "csv"))


def _asked(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as the contract has them. Raises Problem (422)."""
    ids = {key: whole_number(filters, key) for key in ("mailing_id", "client_id")}
    words = {key: value for key, value in filters.items() if key not in ids}
    return {**checked(_QUERY, words), **ids}
