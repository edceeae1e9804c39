"""What the store returns of accounts and tokens: frozen values, as ``rows``."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.access import ActorKind, Role


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A person who signs in; never with the password's hash."""

    id: int
    name: str
    role: Role
    create_us: int
    revoke_us: int | None
    last_sign_in_us: int | None
    issuer: str = ""
    """Who says who the person is (OpenID Connect); empty: nobody, the account has a password."""
    totp_us: int | None = None
    """Since when a sign-in needs a one-time code too; ``None``: it does not."""
    live_tokens: int = 0
    """How many tokens that it has made, by itself or with tokens of its making, can still be used."""


@dataclass(frozen=True, slots=True)
class SignInRow:
    """What a sign-in asks about a name."""

    account: AccountRow
    password_hash: str
    is_known: bool
    """Whether somebody has signed in with this account from this network before."""


@dataclass(frozen=True, slots=True)
class TotpRow:
    """Whether an account has two-step sign-in; never with its secret."""

    enable_us: int | None
    recovery_codes: int
    """How many are left."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody has shown as the second step. One of the two is set, or none: then it could not be good."""

    code: str = ""
    """Six digits."""
    recovery_hash: str = ""
    """The hash of a recovery code."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A key for a program; never with the secret's hash."""

    id: int
    name: str
    role: Role
    hint: str
    """The first characters of the secret; empty: it was given from outside."""
    created_by: str
    create_us: int
    expire_us: int | None
    revoke_us: int | None
    last_used_us: int | None
    creator_kind: ActorKind = ActorKind.UNKNOWN
    creator_id: int | None = None
