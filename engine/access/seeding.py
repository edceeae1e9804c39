"""The first account and the first API token (docs/behaviour.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.access.passwords import Passwords
from engine.access.secrets import digest, hint, new_password, new_token
from engine.domain.access import ActorKind
from engine.store.rows import Actor
from engine.store.store import Store

ACCOUNT_NAME: Final = "admin"
TOKEN_NAME: Final = "MAILING_API_TOKEN"
_BY: Final = Actor("settings", kind=ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class Made:
    """Secrets that the engine has made because the settings have none: to be shown to the operator, once."""

    password: str | None = None
    """Of the account ``admin``."""
    token: str | None = None

    def lines(self) -> list[str]:
        """What the operator is told; empty: nothing was made."""
        lines = []
        if self.password is not None:
            lines.append(f"The first account was made. Name: {ACCOUNT_NAME}  Password: {self.password}")
        if self.token is not None:
            lines.append(f"The first API token was made (role admin): {self.token}")
        return [*lines, "This is shown only once."] if lines else []

    def variables(self) -> dict[str, str]:
        """The same as settings: what was made, by the name of its variable."""
        both = {"MAILING_ADMIN_PASSWORD": self.password, TOKEN_NAME: self.token}
        return {name: value for name, value in both.items() if value is not None}


async def seed(store: Store, *, admin_password: str | None, api_token: str | None, now_us: int) -> Made:
    """Make the first account when there is none, and the token of the settings when it is not known.

    Without a password or token in the settings they are made here, but only at the first start: when there has never
    been an account, or a token. Of several engines that start at once one does it.

    Raises:
        StoreUnavailable: the database is away.
    """
    return Made(
        await _seed_account(store, admin_password, now_us),
        await _seed_token(store, api_token, now_us),
    )


async def will_make(store: Store, *, admin_password: str | None, api_token: str | None) -> bool:
    """Whether ``seed`` would make a secret that nobody knows yet.

    Raises:
        StoreUnavailable: the database is away.
    """
    return (admin_password is None and not await store.has_accounts()) or (
        api_token is None and not await store.has_tokens()
    )


async def _seed_account(store: Store, given: str | None, now_us: int) -> str | None:
    if await store.has_accounts():
        return None
    password, passwords = given or new_password(), Passwords()
    try:
        hashed = await passwords.hash(password)
    finally:
        passwords.close()
    added = await store.seed_account(ACCOUNT_NAME, hashed, by=_BY, now_us=now_us)
    return password if added is not None and given is None else None


async def _seed_token(store: Store, given: str | None, now_us: int) -> str | None:
    if given is not None:
        await store.seed_token(TOKEN_NAME, digest(given), only_first=False, by=_BY, now_us=now_us)
        return None
    if await store.has_tokens():
        return None
    secret = new_token()
    added = await store.seed_token(
        TOKEN_NAME, digest(secret), hint=hint(secret), only_first=True, by=_BY, now_us=now_us
    )
    return secret if added else None
