"""``python -m engine account …`` and ``token …``: for an engine that does not run, or to begin with.

They open the database themselves. On SQLite one process owns the file: while an engine runs, the API is the way.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from common.command_line import BadSettings
from common.terminal import say
from common.texts import read_text
from engine.access.authority import Authority
from engine.access.secrets import new_password
from engine.clock import SystemClock
from engine.domain.access import (
    ActorKind,
    Role,
    account_name_problem,
    check_fields,
    password_problem,
    token_name_problem,
)
from engine.domain.errors import NotFound
from engine.domain.time_text import format_rfc3339
from engine.settings import Settings
from engine.store.access_rows import AccountRow
from engine.store.errors import DatabaseInUse
from engine.store.rows import Actor, Page
from engine.store.store import Store

BY: Final = Actor("python -m engine", kind=ActorKind.COMMAND)
_DAY_US: Final = 24 * 3600 * 1_000_000

Arguments = Mapping[str, Any]


async def create_account(settings: Settings, arguments: Arguments) -> int:
    """``account create NAME --role ROLE [--password-stdin]``; without a password one is made and printed."""
    given = _first_line() if arguments["password_stdin"] else None
    name, password = arguments["name"], given if given is not None else new_password()
    check_fields(name=account_name_problem(name), password=password_problem(password))
    async with _authority(settings) as (_, authority):
        await authority.create_account(name, _role(arguments), password, by=BY)
    say(f"The account {name} was made." if given is not None else f"Password of the account {name}: {password}")
    return 0


async def list_accounts(settings: Settings, _arguments: Arguments) -> int:
    """``account list``: one a line, its columns separated by tabs."""
    page: Page | None = Page(1000)
    async with _authority(settings) as (store, _):
        while page is not None:
            found = await store.list_accounts(page)
            for row in found.items:
                say(row.id, row.name, row.role.word, _state(row.revoke_us), _steps(row), sep="\t")
            page = None if found.next_after is None else Page(1000, found.next_after)
    return 0


async def revoke_account(settings: Settings, arguments: Arguments) -> int:
    """``account revoke NAME [--with-tokens]``."""
    name = arguments["name"]
    async with _authority(settings) as (store, authority):
        found = await store.account_named(name)
        if found is None:
            raise NotFound("account", name)
        with_tokens = arguments["with_tokens"]
        row = await authority.revoke_account(found[0].id, with_tokens=with_tokens, by=BY)
    say(f"The account {row.name} was revoked{', and the tokens that it had made' if with_tokens else ''}.")
    if row.live_tokens:
        say(f"{row.live_tokens} API tokens that it has made are still good: --with-tokens, or token revoke.")
    return 0


async def reset_totp(settings: Settings, arguments: Arguments) -> int:
    """``account reset-totp NAME``."""
    name = arguments["name"]
    async with _authority(settings) as (store, authority):
        found = await store.account_named(name)
        if found is None:
            raise NotFound("account", name)
        row = await authority.second_step.reset(found[0].id, by=BY)
    say(f"A password is enough for the account {row.name} again; whoever was signed in with it is signed out.")
    return 0


async def create_token(settings: Settings, arguments: Arguments) -> int:
    """``token create NAME --role ROLE [--expire-days N]``: prints the secret and nothing else, for scripts."""
    days, name = arguments["expire_days"], arguments["name"]
    check_fields(name=token_name_problem(name))
    expire_us = None if days is None else SystemClock().now_us() + int(days * _DAY_US)
    async with _authority(settings) as (_, authority):
        _, secret = await authority.create_token(name, _role(arguments), expire_us=expire_us, by=BY)
    say(secret)
    return 0


async def list_tokens(settings: Settings, _arguments: Arguments) -> int:
    """``token list``: one a line, its columns separated by tabs."""
    page: Page | None = Page(1000)
    async with _authority(settings) as (store, _):
        while page is not None:
            found = await store.list_tokens(page)
            for row in found.items:
                expires = "" if row.expire_us is None else f"expires {format_rfc3339(row.expire_us)}"
                say(row.id, row.name, row.role.word, row.hint, _state(row.revoke_us) or expires, sep="\t")
            page = None if found.next_after is None else Page(1000, found.next_after)
    return 0


async def revoke_token(settings: Settings, arguments: Arguments) -> int:
    """``token revoke ID``."""
    async with _authority(settings) as (_, authority):
        row = await authority.revoke_token(arguments["id"], by=BY)
    say(f"The token {row.id} ({row.name}) was revoked.")
    return 0


HANDLERS: Final[Mapping[str, Callable[[Settings, Arguments], Awaitable[int]]]] = {
    "account create": create_account,
    "account list": list_accounts,
    "account revoke": revoke_account,
    "account reset-totp": reset_totp,
    "token create": create_token,
    "token list": list_tokens,
    "token revoke": revoke_token,
}
"""By the command's name in ``settings.COMMANDS``."""


@asynccontextmanager
async def _authority(settings: Settings) -> AsyncIterator[tuple[Store, Authority]]:
    try:
        store = await Store.open(settings.database_url)
    except DatabaseInUse as error:
        raise DatabaseInUse(f"{error}; while it runs use the API: /api/v1/accounts, /api/v1/tokens") from None
    try:
        authority = Authority(store, SystemClock())
        try:
            yield store, authority
        finally:
            await authority.close()
    finally:
        await store.close()


def _first_line() -> str:
    try:
        return read_text(sys.stdin.buffer.readline()).removesuffix("\n")
    except ValueError as error:
        raise BadSettings(f"--password-stdin: what came from stdin {error}") from None


def _role(arguments: Arguments) -> Role:
    return Role[arguments["role"].upper()]


def _steps(row: AccountRow) -> str:
    return "" if row.totp_us is None else f"two-step since {format_rfc3339(row.totp_us)}"


def _state(revoke_us: int | None) -> str:
    return "" if revoke_us is None else f"revoked {format_rfc3339(revoke_us)}"
