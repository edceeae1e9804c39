"""Signing in and out: the engine's session in, the panel's cookie out. And a person's own password."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from grpc import StatusCode, aio

from admin.session import Sessions
from common.contract.codec import message_of
from common.error_codes import ErrorCode
from gateway.http.admission import open_to_all
from gateway.http.body import SIGN_IN_BYTES_MAX, read_body, read_json
from gateway.http.caller import address_of
from gateway.http.engine_client import AUTHORIZATION
from gateway.http.keys import ENGINE, SIGN_INS
from gateway.http.problems import Problem, of_rpc
from gateway.shapes import Use, schema_of
from mailing.v1.access_service_pb2 import ChangePasswordRequest, SignInRequest, SignOutRequest


def routes(sessions: Sessions) -> list[web.RouteDef]:
    """``POST /admin/token`` and ``DELETE /admin/logout``: aiohttp-admin's paths, before its own handlers.

    ``PUT /admin/session/password``: as REST's, of whoever is signed in to the panel.
    """

    async def sign_in(request: web.Request) -> web.Response:
        sessions.count(request)
        request.app[SIGN_INS].require(address_of(request), ErrorCode.TOO_MANY_REQUESTS_OF_ADDRESS)
        open_to_all(request)
        engine = request.app[ENGINE]
        asked = _credentials(await read_json(request, SIGN_IN_BYTES_MAX))
        try:
            answer = await engine.call(request, engine.access.SignIn, asked)
        except aio.AioRpcError as error:
            if error.code() is StatusCode.UNAUTHENTICATED:
                raise Problem(401, of_rpc(error).detail) from None
            raise
        response = web.json_response({"name": answer.identity.name})
        await sessions.begin(request, response, answer.secret, answer.identity)
        return response

    async def sign_out(request: web.Request) -> web.Response:
        sessions.count(request)
        engine, authorization = request.app[ENGINE], await sessions.authorization(request)
        if authorization is not None:
            request[AUTHORIZATION] = authorization
            try:
                await engine.call(request, engine.access.SignOut, SignOutRequest())
            except aio.AioRpcError as error:
                # It had ended before. Any other failure is told: the session would live on without its owner knowing.
                if error.code() is not StatusCode.UNAUTHENTICATED:
                    raise
        response = web.json_response({})
        await sessions.end(request, response)
        return response

    async def change_password(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]
        schema = schema_of(ChangePasswordRequest.DESCRIPTOR, Use.REPLACE)
        asked = message_of(ChangePasswordRequest, await read_body(request, schema))
        await engine.call(request, engine.access.ChangePassword, asked)
        return web.Response(status=204)

    return [
        web.post("/admin/token", sign_in),
        web.delete("/admin/logout", sign_out),
        web.put("/admin/session/password", sessions.guarded(change_password)),
    ]


def _credentials(data: Any) -> SignInRequest:
    if not isinstance(data, dict):
        raise Problem(422, ErrorCode.NO_NAME_OR_PASSWORD.format())
    bad = [
        (f"/{key}", ErrorCode.NOT_TEXT_OR_EMPTY.format())
        for key in ("username", "password")
        if not isinstance(data.get(key), str) or not data[key]
    ]
    code = data.get("one_time_code", "")
    if not isinstance(code, str):
        bad.append(("/one_time_code", ErrorCode.NOT_TEXT.format()))
    if bad:
        raise Problem(422, ErrorCode.NO_NAME_OR_PASSWORD.format(), bad)
    try:
        return SignInRequest(name=data["username"], password=data["password"], one_time_code=code)
    except ValueError:  # a lone surrogate is no text for the contract
        raise Problem(401, ErrorCode.WRONG_NAME_OR_PASSWORD.format()) from None
