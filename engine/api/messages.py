"""MessageService: the fate of every message, read only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from engine.api.caller import caller_key
from engine.api.context import Context
from engine.api.convert import both, message_message, message_query
from engine.api.errors import Stopping
from engine.api.paging import page_of, token_after
from engine.api.questions import Questions, question_key
from engine.store.message_list import is_long_message_list
from engine.store.rows import MAX_PAGE_SIZE, MessageRow, PageOf
from engine.store.store import Store
from mailing.v1 import message_pb2, message_service_pb2, message_service_pb2_grpc


class MessageServicer(message_service_pb2_grpc.MessageServiceServicer):
    """See ``proto/mailing/v1/message_service.proto``."""

    def __init__(self, store: Store, questions: Questions, stopping: asyncio.Event) -> None:
        self._store, self._questions, self._stopping = store, questions, stopping

    async def GetMessage(self, request: message_service_pb2.GetMessageRequest, context: Context) -> message_pb2.Message:
        """Read one message with its attempts."""
        row, attempts = await self._store.get_message(request.message_id)
        return message_message(row, attempts)

    async def ListMessages(
        self, request: message_service_pb2.ListMessagesRequest, context: Context
    ) -> message_service_pb2.ListMessagesResponse:
        """Read a page of messages."""
        query, page = both(lambda: message_query(request), lambda: page_of(request))

        async def read() -> PageOf[MessageRow]:
            return await self._store.list_messages(query, page)

        if is_long_message_list(query, page):
            found = await self._questions.ask(question_key(request), caller_key(), read)
        else:
            found = await read()
        return message_service_pb2.ListMessagesResponse(
            messages=[message_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def ExportMessages(
        self, request: message_service_pb2.ExportMessagesRequest, context: Context
    ) -> AsyncIterator[message_service_pb2.ExportMessagesResponse]:
        """Read all messages that match, page by page."""
        query, page = both(lambda: message_query(request), lambda: page_of(request, default=MAX_PAGE_SIZE))
        if query.mailing_id is not None:
            await self._store.get_mailing(query.mailing_id)
        async for rows in self._store.export_messages(query, page.size):
            if self._stopping.is_set():
                raise Stopping
            yield message_service_pb2.ExportMessagesResponse(messages=[message_message(row) for row in rows])
