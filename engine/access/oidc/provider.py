"""The provider over HTTP: what it publishes of itself, its keys, and its answers to codes.

Only the provider's own addresses are called, over TLS unless they are on this machine. Redirects are not followed, and
of an answer no more than ``_ANSWER_BYTES_MAX`` are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

import aiohttp
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from common.setting_types import is_web_address_safe
from engine.domain.oidc import SUBJECT_LENGTH_MAX

METADATA_SECONDS: Final = 3600.0
"""How long we believe what the provider publishes of itself; its keys until a token has another one."""
_CALL_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 5.0
_ANSWER_BYTES_MAX: Final = 256 * 1024
_BASIC: Final = "client_secret_basic"


class ProviderAway(Exception):
    """The provider can't be reached, or what it answers is not as the standard says."""


class CodeRefused(Exception):
    """The provider does not take the code: it made it for somebody else, or has answered it before."""


class Metadata(NamedTuple):
    """What is needed of OpenID Connect Discovery 1.0, section 3."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    names_itself: bool
    """Whether it says who it is when it sends somebody back (RFC 9207)."""


class Client(NamedTuple):
    """Who we are to the provider."""

    issuer: str
    client_id: str
    client_secret: str | None


class OidcProvider:
    """One provider; ``close`` when done. All that asks it may raise ProviderAway.

    ``plaintext``: addresses beyond this machine may be ``http://``.
    """

    def __init__(
        self, client: Client, *, plaintext: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._plaintext, self._monotonic = client, plaintext, monotonic
        self._session: aiohttp.ClientSession | None = None
        self._metadata: Metadata | None = None
        self._metadata_until_seconds = 0.0
        self._keys: KeySet | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def metadata(self) -> Metadata:
        """What the provider says of itself, at most ``METADATA_SECONDS`` old."""
        if self._metadata is None or self._monotonic() >= self._metadata_until_seconds:
            url = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._metadata = self._checked(await self._ask("GET", url))
            self._metadata_until_seconds = self._monotonic() + METADATA_SECONDS
        return self._metadata

    async def keys(self, *, fresh: bool = False) -> KeySet:
        """The keys that it signs with; ``fresh``: as they are now."""
        if self._keys is None or fresh:
            answer = await self._ask("GET", (await self.metadata()).jwks_uri)
            try:
                self._keys = KeySet.import_key_set({"keys": answer["keys"]})
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise ProviderAway(f"its keys are unreadable: {type(error).__name__}") from None
        return self._keys

    async def tokens(self, code: str, redirect_uri: str, code_verifier: str) -> Mapping[str, Any]:
        """Change a code for tokens. Raises CodeRefused."""
        metadata, client = await self.metadata(), self._client
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form["code_verifier"] = code_verifier
        headers = {}
        if client.client_secret is None:
            form["client_id"] = client.client_id
        elif _BASIC in metadata.auth_methods:
            # RFC 6749, 2.3.1: both are form-encoded first.
            pair = (quote_plus(client.client_id), quote_plus(client.client_secret))
            headers["Authorization"] = aiohttp.encode_basic_auth(*pair)
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        return await self._ask("POST", metadata.token_endpoint, data=form, headers=headers)

    async def user_info(self, access_token: str, subject: str) -> Mapping[str, Any]:
        """What else it says of the person to whom the token belongs; nothing, if it has no such address."""
        url = (await self.metadata()).userinfo_endpoint
        if url is None:
            return {}
        found = await self._ask("GET", url, headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise ProviderAway("its userinfo is about somebody else")
        return found

    def _checked(self, said: Mapping[str, Any]) -> Metadata:
        if said.get("issuer") != self._client.issuer:
            raise ProviderAway("it says that it is another issuer than MAILING_OIDC_ISSUER")
        info, methods = said.get("userinfo_endpoint"), said.get("token_endpoint_auth_methods_supported")
        return Metadata(
            self._address(said.get("authorization_endpoint")),
            self._address(said.get("token_endpoint")),
            self._address(said.get("jwks_uri")),
            None if info is None else self._address(info),
            tuple(methods) if isinstance(methods, list) else (_BASIC,),
            said.get("authorization_response_iss_parameter_supported") is True,
        )

    def _address(self, said: object) -> str:
        if not isinstance(said, str) or not is_web_address_safe(said, plaintext=self._plaintext):
            raise ProviderAway("an address that it names is missing, or no https://")
        return said

    async def _ask(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:
        """One call; its answer must be a JSON object. Raises CodeRefused on 400 and 401 to a POST."""
        try:
            async with self._http().request(method, url, allow_redirects=False, **options) as answer:
                if method == "POST" and answer.status in (400, 401):
                    raise CodeRefused(_error_of(await _body_of(answer)))
                if answer.status != 200:
                    raise ProviderAway(f"it answered {answer.status}")
                found = orjson.loads(await _body_of(answer))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ProviderAway(f"it can't be reached: {type(error).__name__}") from None
        except orjson.JSONDecodeError:
            raise ProviderAway("its answer is no JSON") from None
        if not isinstance(found, dict):
            raise ProviderAway("its answer is no JSON object")
        return found

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_CALL_SECONDS, sock_connect=_CONNECT_SECONDS)
            headers = {"Accept": "application/json"}
            self._session = aiohttp.ClientSession(
                timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


async def _body_of(answer: aiohttp.ClientResponse) -> bytes:
    found = b""
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > _ANSWER_BYTES_MAX:
            raise ProviderAway("its answer is too long")
    return found


def _error_of(body: bytes) -> str:
    """The code of an error (RFC 6749, 5.2), for the log."""
    try:
        said = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no reason given"
    return str(said)[:SUBJECT_LENGTH_MAX]
