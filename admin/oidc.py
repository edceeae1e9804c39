"""Signing in to the panel with an account of somebody else's: OpenID Connect, of which the engine decides.

The page asks where to go (``begin``), the provider sends the person back (``callback``), and the page hands in what
came with them (``session``). What the sign-in began with is in a cookie meanwhile, encrypted and SameSite=Strict: the
address that the provider sends people to only leads on to the page, and it is our own page that asks for the session.
So an answer is of use only in the browser in which the sign-in began.
"""

from __future__ import annotations

import secrets
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from admin.session import PATH, Sessions
from common.error_codes import ErrorCode
from gateway.http.admission import open_to_all
from gateway.http.body import SIGN_IN_BYTES_MAX, read_json
from gateway.http.caller import address_of, is_https
from gateway.http.keys import ENGINE, SIGN_INS
from gateway.http.problems import Problem
from mailing.v1.access_service_pb2 import BeginOidcSignInRequest, DescribeSignInRequest, FinishOidcSignInRequest

COOKIE: Final = "MAILING_OIDC"
SECONDS: Final = 600
"""How long somebody may take at the provider."""
_HERE: Final = f"{PATH}/oidc"
_ANSWER: Final = ("code", "state", "iss", "error")
"""What of the answer the page hands in."""


def routes(sessions: Sessions) -> list[web.RouteDef]:
    """``GET /admin/oidc``, ``POST …/begin``, ``GET …/callback``, ``POST …/session``."""

    async def describe(request: web.Request) -> web.Response:
        """Say whose accounts may be used: the name on the button, or null."""
        sessions.count(request)
        engine = request.app[ENGINE]
        answer = await engine.call(request, engine.access.DescribeSignIn, DescribeSignInRequest())
        return web.json_response({"name": answer.oidc_name or None})

    async def begin(request: web.Request) -> web.Response:
        _count(sessions, request)
        engine, data = request.app[ENGINE], await _body(request)
        back = f"{'https' if is_https(request) else 'http'}://{request.host}{_HERE}/callback"
        asked = BeginOidcSignInRequest(redirect_uri=back, again=data.get("again") is True)
        begun = await engine.call(request, engine.access.BeginOidcSignIn, asked)
        kept = {"state": begun.state, "nonce": begun.nonce, "code_verifier": begun.code_verifier, "redirect_uri": back}
        response = web.json_response({"url": begun.authorization_url})
        _keep(request, response, sessions.seal(orjson.dumps(kept).decode()), SECONDS)
        return response

    async def callback(request: web.Request) -> web.Response:
        """Lead on to the page. What the provider says goes behind the #: it is in no log, and nobody's Referer."""
        found = {name: request.query[name] for name in _ANSWER if name in request.query}
        return web.Response(status=303, headers={"Location": f"{PATH}/#/login?{urlencode(found)}"})

    async def finish(request: web.Request) -> web.Response:
        _count(sessions, request)
        engine, data = request.app[ENGINE], await _body(request)
        kept = _kept(sessions, request)
        if kept is None or not _is_same(data.get("state"), kept["state"]):
            raise Problem(401, ErrorCode.OIDC_NOT_BEGUN.format())
        begun = {name: kept[name] for name in ("redirect_uri", "nonce", "code_verifier")}
        asked = FinishOidcSignInRequest(code=_text(data, "code"), issuer=_text(data, "iss"), **begun)
        answer = await engine.call(request, engine.access.FinishOidcSignIn, asked)
        response = web.json_response({"name": answer.identity.name})
        _keep(request, response, "", 0)
        await sessions.begin(request, response, answer.secret, answer.identity)
        return response

    return [
        web.get(_HERE, describe),
        web.post(f"{_HERE}/begin", begin),
        web.get(f"{_HERE}/callback", callback),
        web.post(f"{_HERE}/session", finish),
    ]


def _count(sessions: Sessions, request: web.Request) -> None:
    """As for a password: anybody may try, and not too often."""
    sessions.count(request)
    request.app[SIGN_INS].require(address_of(request), ErrorCode.TOO_MANY_REQUESTS_OF_ADDRESS)
    open_to_all(request)


async def _body(request: web.Request) -> dict[str, Any]:
    """A JSON object, which no foreign page can send without asking."""
    data = await read_json(request, SIGN_IN_BYTES_MAX)
    if not isinstance(data, dict):
        raise Problem(422, ErrorCode.NOT_OBJECT.format())
    return data


def _keep(request: web.Request, response: web.Response, value: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path=_HERE,
        httponly=True,
        samesite="Strict",
        secure=is_https(request),
    )


def _kept(sessions: Sessions, request: web.Request) -> dict[str, str] | None:
    text = sessions.unseal(request.cookies.get(COOKIE, ""), SECONDS)
    found: dict[str, str] | None = None if text is None else orjson.loads(text)
    return found


def _is_same(said: object, kept: str) -> bool:
    return isinstance(said, str) and said.isascii() and secrets.compare_digest(said, kept)


def _text(data: dict[str, Any], key: str) -> str:
    """A text of the body; what is none, or no text for the contract, is as good as nothing."""
    said = data.get(key)
    return said if isinstance(said, str) and said.isprintable() else ""
