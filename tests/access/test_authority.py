"""Who is calling: what is believed for how long, and what is noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from engine.access.authority import CACHE_SECONDS, Authority
from engine.access.seeding import TOKEN_NAME, seed
from engine.domain.access import Identity, Role, Unauthenticated
from engine.store import Store
from engine.store.rows import Actor, Page
from tests.api.fakes import SECOND_US, START_US, FakeClock, cheap_passwords

BY = Actor("test")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = await Store.open("sqlite://:memory:", inline=True)
    yield store
    await store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def authority(store: Store, clock: FakeClock) -> AsyncIterator[Authority]:
    authority = Authority(store, clock, passwords=cheap_passwords(), monotonic=lambda: clock.us / SECOND_US)
    yield authority
    await authority.close()


async def a_token(authority: Authority) -> tuple[int, str]:
    row, secret = await authority.create_token("ci", Role.VIEWER, expire_us=None, by=BY)
    return row.id, f"bearer {secret}"


async def test_a_token_is_read_once_in_two_seconds(
    authority: Authority, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, authorization = await a_token(authority)
    reads, read = [], store.identify

    async def counted(secret_hash: str, now_us: int) -> Identity | None:
        reads.append(now_us)
        return await read(secret_hash, now_us)

    monkeypatch.setattr(store, "identify", counted)
    for _ in range(100):
        assert (await authority.identify(authorization)).name == "ci"
    assert len(reads) == 1
    clock.pass_seconds(CACHE_SECONDS)
    await authority.identify(authorization)
    assert len(reads) == 2


async def test_what_is_revoked_here_is_forgotten_at_once_and_elsewhere_soon(
    authority: Authority, store: Store, clock: FakeClock
) -> None:
    token_id, authorization = await a_token(authority)
    await authority.identify(authorization)
    await authority.revoke_token(token_id, by=BY)
    with pytest.raises(Unauthenticated):
        await authority.identify(authorization)
    token_id, authorization = await a_token(authority)
    await authority.identify(authorization)
    await store.revoke_token(token_id, by=BY, now_us=clock.us)  # as another engine does
    await authority.identify(authorization)
    clock.pass_seconds(CACHE_SECONDS)
    with pytest.raises(Unauthenticated):
        await authority.identify(authorization)


async def test_a_read_that_a_revocation_overtakes_is_not_believed(
    authority: Authority, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_id, authorization = await a_token(authority)
    read, has_read, go_on = store.identify, asyncio.Event(), asyncio.Event()

    async def slow(secret_hash: str, now_us: int) -> Identity | None:
        found = await read(secret_hash, now_us)
        has_read.set()
        await go_on.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store, "identify", slow)
        first = asyncio.create_task(authority.identify(authorization))
        await has_read.wait()
        await authority.revoke_token(token_id, by=BY)
        go_on.set()
        await first
    with pytest.raises(Unauthenticated):
        await authority.identify(authorization)


async def test_use_is_noted_at_most_once_a_minute(
    authority: Authority, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, authorization = await a_token(authority)
    noted: list[int] = []

    async def used(_token_id: int, now_us: int) -> None:
        noted.append(now_us - START_US)

    monkeypatch.setattr(store, "token_used", used)
    for _ in range(130):
        await authority.identify(authorization)
        clock.pass_seconds(1)
    await asyncio.sleep(0)
    assert noted == [0, 60 * SECOND_US, 120 * SECOND_US]


async def test_an_old_hash_is_made_anew_at_the_next_sign_in(store: Store, clock: FakeClock) -> None:

    old = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash("correct horse")
    account = (await store.create_account("anna", Role.ADMIN, old, by=BY, now_us=1)).row
    authority = Authority(store, clock, passwords=cheap_passwords())
    await authority.sign_in("anna", "correct horse", peer="p", host="h")
    stored = await store.password_hash(account.id)
    assert stored is not None
    assert "m=8," in stored
    await authority.sign_in("anna", "correct horse", peer="p", host="h")
    assert await store.password_hash(account.id) == stored
    await authority.close()


async def test_seeds_are_made_once_and_told_once(store: Store, authority: Authority) -> None:
    made = await seed(store, admin_password=None, api_token=None, now_us=1)
    assert made.password is not None
    assert made.token is not None
    assert any(made.password in line for line in made.lines())
    assert any(made.token in line for line in made.lines())
    assert (await seed(store, admin_password=None, api_token=None, now_us=1)).lines() == []
    assert (await authority.identify(f"Bearer {made.token}")).role is Role.ADMIN
    assert (await authority.sign_in("admin", made.password, peer="p", host="h")).identity.role is Role.ADMIN


async def test_seeds_of_the_settings(store: Store, authority: Authority) -> None:
    first: dict[str, Any] = {"admin_password": "correct horse", "api_token": "first-token-of-16"}
    assert (await seed(store, **first, now_us=1)).lines() == []
    assert (await authority.identify("Bearer first-token-of-16")).name == TOKEN_NAME
    # Another token takes the first one's place; another password of an account that is there changes nothing.
    await seed(store, admin_password="another horse", api_token="second-token-of-16", now_us=2)
    authority._drop()
    with pytest.raises(Unauthenticated):
        await authority.identify("Bearer first-token-of-16")
    assert (await authority.identify("Bearer second-token-of-16")).name == TOKEN_NAME
    await authority.sign_in("admin", "correct horse", peer="p", host="h")
    assert (await store.list_accounts(Page())).total == 1


async def test_an_operator_who_made_an_account_and_a_token_first_gets_no_other(store: Store) -> None:
    await store.create_account("anna", Role.ADMIN, "hash", by=BY, now_us=1)
    await store.create_token("ci", Role.VIEWER, "a" * 64, "", expire_us=None, by=BY, now_us=1)
    assert (await seed(store, admin_password=None, api_token=None, now_us=1)).lines() == []
    assert (await store.list_accounts(Page())).total == 1
    assert (await store.list_tokens(Page())).total == 1
