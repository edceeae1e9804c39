"""Accounts and sessions of people for whom an OpenID Connect provider vouches, on every kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.domain.access import Identity, Impossible, Role
from engine.domain.oidc import Person
from engine.store import Store
from engine.store.database import Tx
from engine.store.oidc import OidcRefusal
from engine.store.rows import AuditQuery, Page
from tests.store.world import BY, NOW

ANNA = Person("https://id.example", "7", "anna", Role.ADMIN)


async def enter(store: Store, person: Person, number: int, now_us: int = NOW) -> Identity | OidcRefusal:
    return await store.open_oidc_session(
        person,
        f"{number:064}",
        nonce_hash=f"{number:064}",
        replayable_until_us=NOW + 100,
        expire_us=NOW + 9_000,
        peer="ipv4:1",
        now_us=now_us,
    )


async def test_a_new_person_gets_an_account_and_the_same_one_ever_after(store: Store) -> None:
    first, second = await enter(store, ANNA, 1), await enter(store, replace(ANNA, name="anna.maria"), 2)
    assert isinstance(first, Identity)
    assert isinstance(second, Identity)
    assert (first.name, first.role, first.issuer) == ("anna", Role.ADMIN, ANNA.issuer)
    assert (second.name, second.account_id) == ("anna", first.account_id)
    assert await store.identify(f"{1:064}", NOW) == first
    [row] = (await store.list_accounts(Page())).items
    assert (row.issuer, row.last_sign_in_us) == (ANNA.issuer, NOW)
    events = (await store.list_audit(AuditQuery(object_type="account"), Page())).items
    assert [(each.action, each.actor) for each in events] == [
        ("session.create", "anna"),
        ("session.create", "anna"),
        ("account.create", "settings"),
    ]
    assert events[0].detail == {"with": "oidc"}


async def test_nobody_becomes_somebody_else_by_a_name(store: Store) -> None:
    mine = (await store.create_account("Anna", Role.VIEWER, "hash", by=BY, now_us=NOW)).row
    others = [await enter(store, replace(ANNA, subject=str(number)), number) for number in (8, 9)]
    elsewhere = await enter(store, replace(ANNA, issuer="https://other.example"), 10)
    found = [each for each in [*others, elsewhere] if isinstance(each, Identity)]
    assert [each.name for each in found] == ["anna-2", "anna-3", "anna-4"]
    assert len({mine.id, *(each.account_id for each in found)}) == 4


async def test_an_account_without_a_password_takes_none(store: Store) -> None:
    found = await enter(store, ANNA, 1)
    assert isinstance(found, Identity)
    assert found.account_id is not None
    assert await store.sign_in_row("anna", "network") is None
    assert await store.password_hash(found.account_id) is None


async def test_an_answer_is_taken_once_also_when_it_comes_twice_at_once(store: Store) -> None:
    found = await asyncio.gather(*(enter(store, ANNA, 1) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(each, Identity) for each in found) == 1
    assert found.count(OidcRefusal.USED_BEFORE) == 2
    assert await enter(store, replace(ANNA, role=None), 2) is OidcRefusal.NO_ROLE
    assert await enter(store, ANNA, 2) is OidcRefusal.USED_BEFORE  # one that was refused counts, too
    assert isinstance(
        await enter(store, ANNA, 3, NOW + 101), Identity
    )  # nobody takes the token any more: it is forgotten

    async def left(tx: Tx) -> int:
        return int(await tx.value("SELECT count(*) FROM oidc_nonce"))

    assert await store._db.read(left) == 1


async def test_a_role_is_what_the_provider_says_last(store: Store) -> None:
    await enter(store, ANNA, 1)
    await enter(store, replace(ANNA, role=Role.VIEWER), 2)
    found = await store.identify(f"{1:064}", NOW)
    assert found is not None
    assert found.role is Role.VIEWER
    [event] = (await store.list_audit(AuditQuery(action="account.update"), Page())).items
    assert event.detail == {"name": "anna", "role": "viewer", "before": {"role": "admin"}}
    assert await enter(store, replace(ANNA, role=None), 3) is OidcRefusal.NO_ROLE
    assert await store.identify(f"{1:064}", NOW) is None
    assert await enter(store, replace(ANNA, subject="8", role=None), 4) is OidcRefusal.NO_ROLE
    assert (await store.list_accounts(Page())).total == 1


async def test_who_was_revoked_stays_so_and_the_last_password_of_an_admin_stays(store: Store) -> None:
    mine = (await store.create_account("admin", Role.ADMIN, "hash", by=BY, now_us=NOW)).row
    found = await enter(store, ANNA, 1)
    assert isinstance(found, Identity)
    assert found.account_id is not None
    with pytest.raises(Impossible):
        await store.revoke_account(mine.id, by=BY, now_us=NOW)
    await store.revoke_account(found.account_id, by=BY, now_us=NOW)
    assert await store.identify(f"{1:064}", NOW) is None
    assert await enter(store, ANNA, 2) is OidcRefusal.REVOKED
