"""/session: sign in, sign out, who am I."""

from __future__ import annotations

from aiohttp import web

from common.error_codes import ErrorCode
from gateway.document.openapi import operation
from gateway.http.body import SIGN_IN_BYTES_MAX, read_body
from gateway.http.caller import address_of
from gateway.http.keys import ENGINE, SIGN_INS
from gateway.routes.common import API, checked_body, json_answer, no_content, no_query
from gateway.schemas import IdentitySchema, Input, PasswordSchema, SessionSchema, SignInSchema
from gateway.translate import change_password_proto, identity_json, session_json, sign_in_proto
from mailing.v1.access_service_pb2 import SignOutRequest, WhoAmIRequest


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""

    @operation(
        id="signIn",
        tag="session",
        summary="Sign in",
        description="With an account. The secret is for the `Authorization` header of later calls.",
        role=None,
        body=SignInSchema,
        body_example={"name": "maria", "password": "correct horse battery staple"},
        response=(201, SessionSchema),
        errors=(401, 429, 503, 504),
    )
    async def sign_in(request: web.Request) -> web.Response:
        no_query(request)
        request.app[SIGN_INS].require(address_of(request), ErrorCode.TOO_MANY_REQUESTS_OF_ADDRESS)
        data = await read_body(request, SignInSchema, bytes_max=SIGN_IN_BYTES_MAX)
        engine, asked = request.app[ENGINE], sign_in_proto(data)
        session = await engine.call(request, engine.access.SignIn, asked)
        return json_answer(session_json(session), 201, location=f"{API}/session")

    @operation(id="whoAmI", tag="session", summary="Read who is calling", query=Input, response=(200, IdentitySchema))
    async def who_am_i(request: web.Request) -> web.Response:
        no_query(request)
        engine = request.app[ENGINE]
        return json_answer(identity_json(await engine.call(request, engine.access.WhoAmI, WhoAmIRequest())))

    @operation(
        id="signOut",
        tag="session",
        summary="Sign out",
        description="Ends the session that the call carries; an API token has none to end.",
        query=Input,
        response=(204, None),
        errors=(409,),
    )
    async def sign_out(request: web.Request) -> web.Response:
        no_query(request)
        engine = request.app[ENGINE]
        await engine.call(request, engine.access.SignOut, SignOutRequest())
        return no_content()

    @operation(
        id="changePassword",
        tag="session",
        summary="Change the password",
        description="Of the account that has signed in; all its other sessions end.",
        body=PasswordSchema,
        body_example={
            "current_password": "correct horse battery staple",
            "new_password": "battery staple correct horse",
        },
        response=(204, None),
        errors=(403, 409),
    )
    async def change_password(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]

        async def check(_valid: dict[str, object]) -> None:
            await engine.call(request, engine.access.WhoAmI, WhoAmIRequest())

        asked = change_password_proto(await checked_body(request, PasswordSchema, check))
        await engine.call(request, engine.access.ChangePassword, asked)
        return no_content()

    return [
        web.post(f"{API}/session", sign_in),
        web.get(f"{API}/session", who_am_i, allow_head=False),
        web.delete(f"{API}/session", sign_out),
        web.put(f"{API}/session/password", change_password),
    ]
