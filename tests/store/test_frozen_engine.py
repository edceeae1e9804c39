"""Rule 17: an engine that froze in a transaction keeps its locks; the others must be able to go on living."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.ports import Renewal
from engine.store import Store
from engine.store.database import Tx
from tests.store.conftest import AT_ONCE_SECONDS, Opener
from tests.store.world import LEASE, NOW, a_mailing_with, claim

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgres"], indirect=True)]


@asynccontextmanager
async def frozen_with(store: Store, sql: str, *args: object) -> AsyncIterator[None]:
    """A transaction that took these rows and does not go on."""
    has_rows, thaw = asyncio.Event(), asyncio.Event()

    async def work(tx: Tx) -> None:
        assert await tx.rows(sql, *args)
        has_rows.set()
        await thaw.wait()

    frozen = asyncio.create_task(store._db.transaction(work))
    await has_rows.wait()
    try:
        yield
    finally:
        thaw.set()
        await frozen


async def test_one_row_that_is_locked_costs_no_lease_and_is_not_lost(open_store: Opener) -> None:
    store, frozen = await open_store(), await open_store()
    mailing_id, owner = await a_mailing_with(store, 5)
    held, *others = claims = await claim(store, mailing_id, owner)
    ids = {taken.message_id for taken in others}
    async with frozen_with(frozen, "SELECT 1 FROM message WHERE id = ? FOR UPDATE", held.message_id):
        async with asyncio.timeout(AT_ONCE_SECONDS):
            renewal = await store.renew(claims, owner=owner, lease_until_us=LEASE * 2)
        assert renewal == Renewal(ids, {held.message_id})
    assert await store.renew([held], owner=owner, lease_until_us=LEASE * 2) == Renewal({held.message_id}, set())
    assert await store.recover(LEASE, 10, expired_only=True) == 0


async def test_leases_that_are_over_are_taken_over_around_a_row_that_is_locked(open_store: Opener) -> None:
    store, frozen = await open_store(), await open_store()
    mailing_id, owner = await a_mailing_with(store, 5)
    held, *_ = await claim(store, mailing_id, owner)
    async with frozen_with(frozen, "SELECT 1 FROM message WHERE id = ? FOR UPDATE", held.message_id):
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert await store.recover(LEASE, 10, expired_only=True) == 4
    assert await store.recover(LEASE, 10, expired_only=True) == 1


async def test_a_sign_of_life_waits_for_nobody(open_store: Opener) -> None:
    store, frozen = await open_store(), await open_store()
    _, owner = await a_mailing_with(store, 1)
    async with frozen_with(frozen, "SELECT 1 FROM control FOR UPDATE"), asyncio.timeout(AT_ONCE_SECONDS):
        late_us = NOW + 3_600_000_000
        control = await store.heartbeat(owner, late_us, 0, seen_revision=7, workers=1, in_flight=0)
        assert [engine.seen_revision for engine in control.engines] == [7]
    # The time that it told is stored when nobody is in the way.
    await store.heartbeat(owner, late_us, 0, seen_revision=7, workers=1, in_flight=0)
    assert await store.turn_clock_back(late_us - 1_000) == 1_000
