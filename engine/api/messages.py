"""MessageService: the fate of every message, read only."""

from __future__ import annotations

from engine.api.convert import both, message_message, message_query
from engine.api.interceptors import Context
from engine.api.paging import page_of, token_after
from engine.store.store import Store
from mailing.v1 import message_pb2, message_service_pb2, message_service_pb2_grpc


class MessageServicer(message_service_pb2_grpc.MessageServiceServicer):
    """See ``proto/mailing/v1/message_service.proto``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetMessage(self, request: message_service_pb2.GetMessageRequest, context: Context) -> message_pb2.Message:
        """Read one message with its attempts."""
        row, attempts = await self._store.get_message(request.message_id)
        return message_message(row, attempts)

    async def ListMessages(
        self, request: message_service_pb2.ListMessagesRequest, context: Context
    ) -> message_service_pb2.ListMessagesResponse:
        """Read a page of messages."""
        query, page = both(lambda: message_query(request), lambda: page_of(request))
        found = await self._store.list_messages(query, page)
        return message_service_pb2.ListMessagesResponse(
            messages=[message_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )
