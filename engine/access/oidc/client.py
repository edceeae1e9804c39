"""A sign-in with OpenID Connect, from where the person is sent to who they turn out to be."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

from common.error_codes import ErrorCode
from common.logs import get_logger
from engine.access.oidc.id_token import SKEW_SECONDS, BadToken, Expected, UnknownKey, claims_of
from engine.access.oidc.provider import Client, CodeRefused, OidcProvider, ProviderAway
from engine.domain.access import Impossible, Role, Unauthenticated
from engine.domain.oidc import Person, claim_at, person_of
from engine.ports import Clock

log = get_logger(__name__)

_RANDOM_BYTES: Final = 32
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """How people sign in with the accounts that they have elsewhere."""

    name: str
    """What the provider is called on the button."""
    client: Client
    scopes: str
    role_claim: str
    roles: Mapping[str, Role]
    """By the claim's values."""
    plaintext: bool = False
    """The provider may be called beyond this machine without TLS."""


class Begun(NamedTuple):
    """A sign-in that has begun: see ``BeginOidcSignInResponse``."""

    authorization_url: str
    state: str
    nonce: str
    code_verifier: str


class Answer(NamedTuple):
    """What somebody brings back from the provider, with what was kept of the begin."""

    code: str
    issuer: str
    """Empty: none came."""
    redirect_uri: str
    nonce: str
    code_verifier: str


class Vouched(NamedTuple):
    """Who it is, and until when the same answer could be brought again."""

    person: Person
    replayable_until_us: int


class Oidc:
    """Keeps nothing of a sign-in: any engine can finish what another one has begun. ``close`` when done."""

    def __init__(self, settings: OidcSettings, clock: Clock, provider: OidcProvider | None = None) -> None:
        self.name = settings.name
        self._settings, self._clock = settings, clock
        self._provider = provider or OidcProvider(settings.client, plaintext=settings.plaintext)

    async def close(self) -> None:
        """Let go of the connections to the provider."""
        await self._provider.close()

    async def begin(self, redirect_uri: str, *, again: bool) -> Begun:
        """Say where the person signs in. Raises Impossible: the provider is away."""
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login"} if again else {}),
        }
        try:
            endpoint = urlsplit((await self._provider.metadata()).authorization_endpoint)
        except ProviderAway as error:
            raise self._away(error) from None
        joined = "&".join(filter(None, (endpoint.query, urlencode(query))))
        return Begun(urlunsplit(endpoint._replace(query=joined)), state, nonce, verifier)

    async def finish(self, answer: Answer) -> Vouched:
        """Find out who has come back.

        Raises:
            Unauthenticated: the code or the token is not good.
            Impossible: the provider is away.
        """
        try:
            await self._check_issuer(answer.issuer)
            tokens = await self._provider.tokens(answer.code, answer.redirect_uri, answer.code_verifier)
            claims = await self._claims(tokens, answer.nonce)
        except ProviderAway as error:
            raise self._away(error) from None
        except (CodeRefused, BadToken) as error:
            log.warning("oidc.refused", reason=str(error))
            raise Unauthenticated(ErrorCode.OIDC_REFUSED.format(name=self.name)) from None
        settings = self._settings
        person = person_of(claims, settings.client.issuer, settings.role_claim, settings.roles)
        return Vouched(person, (int(claims["exp"]) + SKEW_SECONDS + 1) * _SECOND_US)

    async def _check_issuer(self, said: str) -> None:
        """Another provider's answer is not taken to this one (RFC 9207)."""
        is_needed = (await self._provider.metadata()).names_itself
        if (said or is_needed) and said != self._settings.client.issuer:
            raise BadToken("the answer came from another issuer")

    async def _claims(self, tokens: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise ProviderAway("its answer has no id_token")
        client = self._settings.client
        expected, now_seconds = Expected(client.issuer, client.client_id, nonce), self._clock.now_us() // _SECOND_US
        try:
            claims = claims_of(token, await self._provider.keys(), expected, now_seconds)
        except UnknownKey:  # it may sign with a new key
            claims = claims_of(token, await self._provider.keys(fresh=True), expected, now_seconds)
        # Some put what is not of the standard into the userinfo only.
        if claim_at(claims, self._settings.role_claim) is None and isinstance(access_token, str):
            claims = {**await self._provider.user_info(access_token, claims["sub"]), **claims}
        return claims

    def _away(self, error: ProviderAway) -> Impossible:
        log.warning("oidc.away", reason=str(error))
        return Impossible(ErrorCode.OIDC_AWAY.format(name=self.name))
