"""Who is signed in to the panel.

The engine's session token is in an encrypted, HttpOnly, SameSite=Strict cookie and nowhere else. The page keeps a
second half (aiohttp-admin's ``X-Token``), useless alone, which it sends as a header: a request without both is
nobody's, so that no foreign page can act with the cookie. Whether the session still holds, and what it may do, the
engine decides at each call.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web
from aiohttp_admin.security import permissions_as_dict
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.fernet import InvalidToken

from admin.permissions import permissions_of
from common.error_codes import ErrorCode
from gateway.http.admission import ROLES, Whom
from gateway.http.caller import address_of, is_https
from gateway.http.engine_client import AUTHORIZATION
from gateway.http.keys import ADMISSION
from gateway.http.limits import CallerRates
from gateway.http.problems import Problem
from mailing.v1.access_pb2 import Identity

PATH: Final = "/admin"
COOKIE: Final = "AIOHTTP_SESSION"
"""aiohttp-admin reads this one and has no setting for it."""
_IDENTITY: Final = "AIOHTTP_SECURITY"  # where aiohttp-security's SessionIdentityPolicy keeps it
_SECRET: Final = "secret"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Person(NamedTuple):
    """Who is signed in."""

    name: str
    role: str
    """``viewer``, ``operator`` or ``admin``, as it was at the sign-in."""

    @classmethod
    def of(cls, identity: str) -> Person:
        """Read what ``Sessions.begin`` has made."""
        data = orjson.loads(identity)
        return cls(data["name"], data["role"])


class Sessions:
    """Makes, reads and ends the panel's sessions.

    ``key``: 32 bytes, the same for every gateway of one service; ``secure``: whether cookies are for HTTPS only;
    ``rates``: how many requests one session may make.
    """

    def __init__(self, key: bytes, *, secure: bool, rates: CallerRates) -> None:
        self._rates = rates
        self._storage = EncryptedCookieStorage(
            key, cookie_name=COOKIE, path=PATH, httponly=True, samesite="Strict", secure=secure
        )
        self._fernet = self._storage._fernet  # aiohttp-admin's own way: cookie and header share the key

    async def begin(self, request: web.Request, response: web.StreamResponse, secret: str, who: Identity) -> None:
        """Put a new session into ``response``; ``secret`` is the engine's session token."""
        person = Person(who.name, ROLES[who.role])
        # The random part ties header and cookie of one sign-in together.
        identity = orjson.dumps({**person._asdict(), "id": secrets.token_hex(16)}).decode()
        seconds = max(1, int(who.expire_time.seconds - time.time()))
        session = Session(None, data=None, new=True, max_age=seconds)
        session[_IDENTITY], session[_SECRET] = identity, secret
        await self._storage.save_session(request, response, session)
        if is_https(request):
            response.cookies[COOKIE]["secure"] = True
        response.headers["X-Token"] = json.dumps(self._page_half(identity, person, who))

    def seal(self, text: str) -> str:
        """Make a text that the browser may keep for us, and neither read nor change."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str, seconds: int) -> str | None:
        """Read what ``seal`` has made in the last ``seconds``; ``None``: it was not."""
        try:
            return self._fernet.decrypt(sealed.encode(), ttl=seconds).decode()
        except (InvalidToken, ValueError):
            return None

    async def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the cookie away."""
        await self._storage.save_session(request, response, Session(None, data={}, new=False))

    async def authorization(self, request: web.Request) -> str | None:
        """The ``Authorization`` for the engine, when the request bears both halves of one session."""
        try:
            session = await self._storage.load_session(request)
        except ValueError:  # bytes that are no text
            return None
        identity, secret = session.get(_IDENTITY), session.get(_SECRET)
        if identity is None or secret is None or self._claimed(request) != identity:
            return None
        return f"Bearer {secret}"

    def guarded(self, handler: Handler, whom: Whom = Whom()) -> Handler:  # noqa: B008 - never changes
        """Call the engine in the name of whoever is signed in; nobody is: 401.

        ``whom``: who has a body read; about calls without one the engine decides.
        """

        async def guard(request: web.Request) -> web.StreamResponse:
            authorization = await self.authorization(request)
            # By what is inside: the halves themselves can be written in many ways. Who has no session: by address.
            if authorization is None:
                self.count(request)
                raise Problem(401, ErrorCode.SIGN_IN_FIRST.format())
            self._rates.require(authorization, ErrorCode.TOO_MANY_REQUESTS_OF_SESSION)
            request[AUTHORIZATION] = authorization
            if request.body_exists:
                await request.config_dict[ADMISSION].admit(request, whom)
            return await handler(request)

        return guard

    def count(self, request: web.Request) -> None:
        """Count a request of somebody without a session. Raises Problem (429)."""
        self._rates.require(address_of(request), ErrorCode.TOO_MANY_REQUESTS_OF_ADDRESS)

    def _page_half(self, identity: str, person: Person, who: Identity) -> Mapping[str, Any]:
        return {
            "auth": self._fernet.encrypt(identity.encode()).decode(),
            "fullName": person.name,
            "role": person.role,
            "issuer": who.issuer,
            "setUpFirst": who.totp_setup_required,
            "permissions": permissions_as_dict(permissions_of(person.role)),
        }

    def _claimed(self, request: web.Request) -> str | None:
        try:
            half = orjson.loads(request.headers.get("Authorization", ""))
            return self._fernet.decrypt(str(half["auth"]).encode()).decode()
        except (orjson.JSONDecodeError, InvalidToken, KeyError, TypeError):
            return None


def key_of(secret: str) -> bytes:
    """The 32 bytes that cookies are encrypted with, from a secret of any length."""
    return hashlib.sha256(b"mailing panel cookie\0" + secret.encode()).digest()
