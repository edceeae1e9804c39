"""MessageService: the fate of every message, read only."""

from __future__ import annotations

from engine.api.caller import caller_key
from engine.api.context import Context
from engine.api.convert import both, message_message, message_query
from engine.api.paging import page_of, token_after
from engine.api.questions import Questions, question_key
from engine.store.message_list import is_long_message_list
from engine.store.rows import MessageRow, PageOf
from engine.store.store import Store
from mailing.v1 import message_pb2, message_service_pb2, message_service_pb2_grpc


class MessageServicer(message_service_pb2_grpc.MessageServiceServicer):
    """See ``proto/mailing/v1/message_service.proto``."""

    def __init__(self, store: Store, questions: Questions) -> None:
        self._store, self._questions = store, questions

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
