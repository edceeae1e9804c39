"""POST /session: signing in, which anybody may try; little is read, and not too often from one address."""

from __future__ import annotations

from aiohttp import web

from common.contract.codec import json_of, message_of
from common.contract.reader import API
from common.error_codes import ErrorCode
from gateway.http.body import SIGN_IN_BYTES_MAX, read_body
from gateway.http.caller import address_of
from gateway.http.keys import ENGINE, SIGN_INS
from gateway.routes.common import json_answer, no_query
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import Use, schema_of
from mailing.v1.access_service_pb2 import SignInRequest


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("signIn")

    @described(binding)
    async def sign_in(request: web.Request) -> web.Response:
        no_query(request)
        request.app[SIGN_INS].require(address_of(request), ErrorCode.TOO_MANY_REQUESTS_OF_ADDRESS)
        schema = schema_of(SignInRequest.DESCRIPTOR, Use.CREATE)
        asked = message_of(SignInRequest, await read_body(request, schema, bytes_max=SIGN_IN_BYTES_MAX))
        engine = request.app[ENGINE]
        session = await engine.call(request, engine.access.SignIn, asked)
        return json_answer(json_of(session), 201, location=f"{API}/session")

    return [route_of(binding, sign_in)]
