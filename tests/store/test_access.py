"""Accounts, sessions and API tokens on every kind of database."""

from __future__ import annotations

import asyncio
import sqlite3
from importlib import import_module

import asyncpg
import pytest

from engine.domain.access import Identity, Impossible, Role
from engine.domain.errors import Conflict, NotFound
from engine.store import Store
from engine.store.access_rows import AccountRow
from engine.store.database import Tx
from engine.store.rows import AuditQuery, Page, RequestKey
from tests.store.conftest import Opener
from tests.store.world import BY, NOW

SECRET, OTHER = "a" * 64, "b" * 64
KEY = RequestKey("r", "CreateAccount", "f")


async def add(store: Store, name: str = "Anna", role: Role = Role.ADMIN) -> AccountRow:
    return (await store.create_account(name, role, "hash", by=BY, now_us=NOW)).row


async def enter(store: Store, account: AccountRow, secret_hash: str = SECRET, expire_us: int = 9_000) -> int | None:
    return await store.open_session(account.id, "hash", secret_hash, expire_us=expire_us, by=BY, now_us=NOW)


async def add_token(store: Store, secret_hash: str = SECRET, expire_us: int | None = None) -> int:
    row = await store.create_token("ci", Role.VIEWER, secret_hash, "mlt_", expire_us=expire_us, by=BY, now_us=NOW)
    return row.id


async def test_a_session_is_good_until_it_ends(store: Store) -> None:
    account = await add(store)
    session_id = await enter(store, account)
    assert session_id is not None
    assert await store.identify(SECRET, 8_999) == Identity("Anna", Role.ADMIN, account.id, None, session_id, 9_000)
    assert await store.identify(SECRET, 9_000) is None
    assert await store.identify(OTHER, NOW) is None
    await store.close_session(session_id, account.id, by=BY, now_us=NOW)
    await store.close_session(session_id, account.id, by=BY, now_us=NOW)
    assert await store.identify(SECRET, NOW) is None
    listed = await store.list_audit(AuditQuery(object_type="account"), Page())
    assert [event.action for event in listed.items] == ["session.delete", "session.create", "account.create"]
    assert (await store.list_accounts(Page())).items[0].last_sign_in_us == NOW


async def test_a_session_needs_the_password_as_it_now_is(store: Store) -> None:
    account = await add(store)
    kept, other = await enter(store, account), await enter(store, account, OTHER)
    assert kept is not None
    assert other is not None
    change = {"keep_session_id": kept, "by": BY, "now_us": NOW}
    assert not await store.set_password(account.id, "wrong", "new", **change)  # type: ignore[arg-type]
    assert await store.set_password(account.id, "hash", "new", **change)  # type: ignore[arg-type]
    assert await enter(store, account, "c" * 64) is None
    assert await store.identify(SECRET, NOW) is not None
    assert await store.identify(OTHER, NOW) is None
    assert await store.password_hash(account.id) == "new"


async def test_a_revoked_account_is_out(store: Store) -> None:
    account, _ = await add(store), await add(store, "Ben")
    await enter(store, account)
    first = await store.revoke_account(account.id, by=BY, now_us=NOW)
    assert await store.revoke_account(account.id, by=BY, now_us=NOW + 5) == first
    assert first.revoke_us == NOW
    assert await store.identify(SECRET, NOW) is None
    assert await enter(store, account, OTHER) is None
    assert await store.account_named("anna") is None
    assert await store.password_hash(account.id) is None
    with pytest.raises(NotFound):
        await store.revoke_account(404, by=BY, now_us=NOW)


async def test_the_last_admin_stays(store: Store) -> None:
    account = await add(store)
    await add(store, "viewer", Role.VIEWER)
    with pytest.raises(Impossible):
        await store.revoke_account(account.id, by=BY, now_us=NOW)


async def test_two_admins_who_revoke_each_other_leave_one(store: Store) -> None:
    accounts = [await add(store, name) for name in ("Anna", "Ben")]
    revoke = [store.revoke_account(account.id, by=BY, now_us=NOW) for account in accounts]
    results = await asyncio.gather(*revoke, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AccountRow", "Impossible"]


async def test_a_name_belongs_to_one_whatever_the_case(store: Store) -> None:
    account = await add(store)
    with pytest.raises(Conflict) as caught:
        await add(store, "aNNa")
    assert caught.value.field == "name"
    found = await store.account_named("ANNA")
    assert found == (account, "hash")

    async def force(tx: Tx) -> int:
        return await tx.run("INSERT INTO account (name, role, password_hash, create_us) VALUES ('ANNA', 1, 'x', 1)")

    with pytest.raises((sqlite3.IntegrityError, asyncpg.UniqueViolationError)):
        await store._db.transaction(force)


async def test_a_repeated_create_makes_one(store: Store) -> None:
    create = [store.create_account("Anna", Role.VIEWER, "hash", by=BY, now_us=NOW, request=KEY) for _ in range(2)]
    made = await asyncio.gather(*create)
    assert made[0].row == made[1].row
    assert sorted(each.replayed for each in made) == [False, True]
    assert (await store.list_accounts(Page())).total == 1


async def test_a_token_is_good_until_it_ends_or_is_revoked(store: Store) -> None:
    token_id = await add_token(store, expire_us=9_000)
    assert await store.identify(SECRET, 8_999) == Identity("ci", Role.VIEWER, None, token_id, None, 9_000)
    assert await store.identify(SECRET, 9_000) is None
    await store.token_used(token_id, NOW + 1)
    assert (await store.list_tokens(Page())).items[0].last_used_us == NOW + 1
    first = await store.revoke_token(token_id, by=BY, now_us=NOW)
    assert await store.revoke_token(token_id, by=BY, now_us=NOW + 5) == first
    assert await store.identify(SECRET, NOW) is None
    with pytest.raises(NotFound):
        await store.revoke_token(404, by=BY, now_us=NOW)


async def test_the_token_of_the_settings_replaces_the_one_before_it(store: Store) -> None:
    async def seed(secret_hash: str) -> bool:
        return await store.seed_token("T", secret_hash, only_first=False, by=BY, now_us=NOW)

    mine = await add_token(store, "c" * 64)
    assert await seed(SECRET)
    assert not await seed(SECRET)
    assert await seed(OTHER)
    assert await store.identify(SECRET, NOW) is None
    assert not await seed(SECRET)  # a revoked one stays revoked
    assert await store.identify(SECRET, NOW) is None
    other = await store.identify(OTHER, NOW)
    assert other is not None
    assert (other.name, other.role) == ("T", Role.ADMIN)
    assert await store.identify("c" * 64, NOW) is not None, mine


async def test_of_many_that_seed_at_once_one_does(open_store: Opener, kind: str) -> None:
    first = await open_store()
    stores = [first, await open_store() if kind == "postgres" else first]
    seeds = [store.seed_account("admin", "hash", by=BY, now_us=NOW) for store in stores for _ in range(4)]
    assert [row is None for row in await asyncio.gather(*seeds)].count(False) == 1
    tokens = [
        store.seed_token("T", f"{number}" * 64, only_first=True, by=BY, now_us=NOW)
        for number, store in enumerate(stores * 2)
    ]
    assert (await asyncio.gather(*tokens)).count(True) == 1


async def test_ended_sessions_are_cleared_away(store: Store) -> None:
    account = await add(store)
    for number in range(3):
        await enter(store, account, f"{number}" * 64, expire_us=1_000 * (number + 1))
    assert await store.forget_sessions(2_001, 1) == 1
    assert await store.forget_sessions(2_001) == 1
    assert await store.forget_sessions(2_001) == 0
    assert await store.identify("2" * 64, NOW) is not None


async def test_whoever_made_a_token_before_is_found_out_where_it_is_certain(store: Store) -> None:
    """The migration knows names only: a name that two accounts or a token have had proves nothing."""
    module = import_module("engine.store.migrations.store.5_20261129050000_access")

    async def work(tx: Tx) -> dict[str, tuple[int, int | None]]:
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        for id, name, revoked in ((1, "Anna", None), (2, "ben", 5), (3, "ben", None), (4, "ci", None)):
            await tx.run(
                "INSERT INTO account (id, name, role, password_hash, create_us, revoke_us) VALUES (?, ?, 3, '', 1, ?)",
                *(id, name, revoked),
            )
        for number, (name, maker) in enumerate((("ci", "anna"), ("x", "ben"), ("y", "ci"), ("z", "settings"))):
            await tx.run(
                "INSERT INTO api_token (name, role, secret_hash, hint, created_by, create_us)"
                " VALUES (?, 3, ?, '', ?, 1)",
                *(name, str(number) * 64, maker),
            )
        await tx.orm.execute_script(await module.upgrade(tx.orm))
        rows = await tx.rows("SELECT name, creator_kind, creator_id FROM api_token")
        return {name: (kind, creator_id) for name, kind, creator_id in rows}

    found = await store._db.transaction(work)
    assert found == {"ci": (1, 1), "x": (0, None), "y": (0, None), "z": (0, None)}
