"""What a sign-in with OpenID Connect is set up with, begins with and ends with.

Apart from the client: verifying tokens loads 12 MiB in 0.2 s, which engines without a provider do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from engine.domain.access import Role
from engine.domain.oidc import Person


class Client(NamedTuple):
    """Who we are to the provider."""

    issuer: str
    client_id: str
    client_secret: str | None


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


class SignIns(Protocol):
    """Signs people in with a provider; ``oidc.client.Oidc`` does."""

    name: str
    """What the provider is called."""

    async def begin(self, redirect_uri: str, *, again: bool) -> Begun:
        """Say where the person signs in. Raises Impossible: the provider is away."""

    async def finish(self, answer: Answer) -> Vouched:
        """Find out who has come back. Raises Unauthenticated, Impossible."""

    async def close(self) -> None:
        """Let go of the connections to the provider."""
