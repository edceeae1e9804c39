"""/messages: the fate of every text."""

from __future__ import annotations

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, ID, id_in_path, json_answer, no_query
from gateway.schemas import (
    Input,
    MailingMessagesQuerySchema,
    MessageDetailSchema,
    MessageListQuerySchema,
    MessageListSchema,
)
from gateway.translate import list_messages_proto, message_detail_json, message_list_json
from mailing.v1.mailing_service_pb2 import GetMailingRequest
from mailing.v1.message_service_pb2 import GetMessageRequest


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""

    @operation(
        id="listMessages",
        tag="messages",
        summary="List messages",
        description="In the order of their ids, without their attempts.",
        query=MessageListQuerySchema,
        response=(200, MessageListSchema),
    )
    async def list_messages(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]
        asked = list_messages_proto(read_query(request, MessageListQuerySchema))
        return json_answer(message_list_json(await engine.call(request, engine.messages.ListMessages, asked)))

    @operation(
        id="listMailingMessages",
        tag="messages",
        summary="List a mailing's messages",
        description="In the order of their ids, without their attempts.",
        query=MailingMessagesQuerySchema,
        response=(200, MessageListSchema),
    )
    async def list_of_mailing(request: web.Request) -> web.Response:
        engine, mailing_id = request.app[ENGINE], id_in_path(request, "mailing_id")
        asked = list_messages_proto(read_query(request, MailingMessagesQuerySchema), mailing_id)
        page = await engine.call(request, engine.messages.ListMessages, asked)
        if not page.total_size:  # none, or none of a mailing that is not there: 404 then
            await engine.call(request, engine.mailings.GetMailing, GetMailingRequest(mailing_id=mailing_id))
        return json_answer(message_list_json(page))

    @operation(
        id="getMessage",
        tag="messages",
        summary="Read a message with its attempts",
        query=Input,
        response=(200, MessageDetailSchema),
    )
    async def get_message(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], GetMessageRequest(message_id=id_in_path(request, "message_id"))
        return json_answer(message_detail_json(await engine.call(request, engine.messages.GetMessage, asked)))

    return [
        web.get(f"{API}/messages", list_messages, allow_head=False),
        web.get(f"{API}/messages/{{message_id:{ID}}}", get_message, allow_head=False),
        web.get(f"{API}/mailings/{{mailing_id:{ID}}}/messages", list_of_mailing, allow_head=False),
    ]
