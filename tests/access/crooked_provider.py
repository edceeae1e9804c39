"""An OpenID Connect provider that says what a test wants it to say, over real HTTP, with quick keys.

It checks what it is asked as a good one does: the code, its one use, the address, PKCE, and who the client is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey

from engine.access.oidc.client import Answer, Begun, OidcSettings
from engine.access.oidc.provider import Client
from engine.domain.access import Role
from tests.api.fakes import SECOND_US, START_US

NOW: Final = START_US // SECOND_US
CLIENT_ID: Final = "mailing:panel"
SECRET: Final = "a secret/of the client"
BACK: Final = "http://127.0.0.1:8080/admin/oidc/callback"
ROLES: Final = {"staff": Role.VIEWER, "it": Role.ADMIN}


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


@dataclass
class Crooked:
    """What it says; a test changes it at any time."""

    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "7", "preferred_username": "anna", "roles": ["it"]})
    """Of the token, over what belongs there; ``None`` leaves a claim out."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Over what belongs there."""
    info: dict[str, Any] = field(default_factory=lambda: {"sub": "7"})
    key: ECKey = field(default_factory=lambda: new_key("first"))
    published: list[ECKey] = field(default_factory=list)
    """In place of the key."""
    token: str | None = None
    """In place of one that is signed."""
    asked: list[str] = field(default_factory=list)
    """Paths, in their order."""
    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each was asked for with."""

    @property
    def settings(self) -> OidcSettings:
        return OidcSettings("Crooked", Client(self.url, CLIENT_ID, SECRET), "openid", "roles", ROLES)

    def signs_in(self, begun: Begun, code: str = "code") -> Answer:
        """Play the person, who comes back with a code; what was kept of the begin is with it."""
        self.codes[code] = {
            name: values[0] for name, values in parse_qs(urlsplit(begun.authorization_url).query).items()
        }
        return Answer(code, "", BACK, begun.nonce, begun.code_verifier)

    def signed(self, asked: Mapping[str, str]) -> str:
        """The token for a sign-in."""
        usual = {"iss": self.url, "aud": CLIENT_ID, "iat": NOW, "exp": NOW + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in {**usual, **self.claims}.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    async def discover(self, request: web.Request) -> web.Response:
        said = {"issuer": self.url, "authorization_endpoint": f"{self.url}/authorize?tenant=1"}
        said |= {"token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys"}
        said |= {"userinfo_endpoint": f"{self.url}/info"}
        return self._answer(request, {**said, **self.metadata})

    async def keys(self, request: web.Request) -> web.Response:
        keys = self.published or [self.key]
        return self._answer(request, {"keys": [each.as_dict(private=False) for each in keys]})

    async def exchange(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        asked = self.codes.pop(form["code"], None)
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        pair = base64.b64encode(b"mailing%3Apanel:a+secret%2Fof+the+client").decode()
        if request.headers.get("Authorization") != f"Basic {pair}" and form.get("client_secret") != SECRET:
            return self._answer(request, {"error": "invalid_client"}, 401)
        is_good = asked is not None and asked["redirect_uri"] == form["redirect_uri"]
        if asked is None or not is_good or asked["code_challenge"] != challenge:
            return self._answer(request, {"error": "invalid_grant"}, 400)
        return self._answer(request, {"access_token": "at", "id_token": self.token or self.signed(asked)})

    async def user_info(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer at"
        return self._answer(request, self.info)

    def _answer(self, request: web.Request, said: Mapping[str, Any], status: int = 200) -> web.Response:
        self.asked.append(request.path)
        return web.json_response(said, status=status)


@asynccontextmanager
async def crooked() -> AsyncIterator[Crooked]:
    """Start one on a free port."""
    made, app = Crooked(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.discover)
    app.router.add_get("/keys", made.keys)
    app.router.add_post("/token", made.exchange)
    app.router.add_get("/info", made.user_info)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made
