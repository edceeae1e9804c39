"""GET /mailings/{mailing_id}/messages: none is another thing than none of a mailing that is not there."""

from __future__ import annotations

from aiohttp import web

from common.contract.codec import json_of, message_of
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import id_in_path, json_answer
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import Input, query_of
from mailing.v1.mailing_service_pb2 import GetMailingRequest
from mailing.v1.message_service_pb2 import ListMessagesRequest


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("listMailingMessages")

    class Query(query_of(binding)):  # type: ignore[misc]  # a base that is made at run time
        """Which page of which messages of a mailing; the message for one client has a path of its own."""

        class Meta(Input.Meta):
            exclude = ("client_id",)

    @described(binding, query=Query)
    async def list_of_mailing(request: web.Request) -> web.Response:
        engine, mailing_id = request.app[ENGINE], id_in_path(request, "mailing_id")
        asked = message_of(ListMessagesRequest, {**read_query(request, Query), "mailing_id": mailing_id})
        page = await engine.call(request, engine.messages.ListMessages, asked)
        if not page.total_size:  # none, or none of a mailing that is not there: 404 then
            await engine.call(request, engine.mailings.GetMailing, GetMailingRequest(mailing_id=mailing_id))
        return json_answer(json_of(page))

    return [route_of(binding, list_of_mailing)]
