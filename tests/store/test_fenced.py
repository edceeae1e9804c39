"""Outcomes that do not pass the fence: which of them are a loss."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.ports import Claim
from engine.store import Store
from tests.store.world import (
    BY,
    LEASE,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    mailing,
    outcome,
    record,
    release,
)

Meanwhile = Callable[[Store, int, Claim], Awaitable[None]]


async def _nothing(store: Store, owner: int, taken: Claim) -> None:
    """It is stored by the first try, and the second one finds it so."""


async def _claimed_again(store: Store, owner: int, taken: Claim) -> None:
    assert [again.attempt for again in await claim(store, taken.mailing_id, owner)] == [2]


async def _purged(store: Store, owner: int, taken: Claim) -> None:
    await store.delete_mailing(taken.mailing_id, by=BY, now_us=NOW)
    while not await store.purge(taken.mailing_id, 100):
        pass


async def _recovered(store: Store, owner: int, taken: Claim) -> None:
    assert await store.recover(LEASE, 10, expired_only=True) == 1


async def _recovered_and_called(store: Store, owner: int, taken: Claim) -> None:
    await _recovered(store, owner, taken)
    (again,) = await claim(store, taken.mailing_id, owner)
    later = outcome(again, Event.ACCEPT)._replace(started_us=NOW + 30, finished_us=NOW + 40)
    assert await store.record([later], owner=owner, now_us=NOW) == 1


async def _given_back(store: Store, owner: int, taken: Claim) -> None:
    assert await release(store, owner, [taken]) == 1


@pytest.mark.parametrize("event", [Event.ACCEPT, Event.REJECT, Event.DEFER, Event.MISS])
@pytest.mark.parametrize(
    ("first_try", "meanwhile", "lost"),
    [
        (True, _nothing, 0),
        (False, _purged, 0),
        (False, _recovered, 1),
        (False, _recovered_and_called, 1),
        (False, _given_back, 1),
    ],
)
async def test_what_is_lost(store: Store, event: Event, first_try: bool, meanwhile: Meanwhile, lost: int) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    if first_try:
        assert await record(store, owner, [taken], event, due_us=NOW) == 1
    await meanwhile(store, owner, taken)
    assert await record(store, owner, [taken], event, due_us=NOW) == 0
    assert await store.fenced([outcome(taken, event)]) == lost


async def test_what_was_stored_counts_as_stored_also_when_its_message_is_claimed_again(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await record(store, owner, [taken], Event.DEFER, due_us=NOW)
    await _claimed_again(store, owner, taken)
    assert await record(store, owner, [taken], Event.DEFER, due_us=NOW) == 0
    assert await store.fenced([outcome(taken, Event.DEFER)]) == 0


async def test_a_message_that_was_put_off_and_removed_is_no_loss_and_an_answer_for_it_is(store: Store) -> None:
    ids = await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(AudienceFilter(("new",)))), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await store.update_client(ids[0], lambda _: client(0, "old"), by=BY, now_us=NOW)
    assert await record(store, owner, [taken], Event.DEFER, due_us=NOW) == 1  # removed
    assert await store.fenced([outcome(taken, Event.DEFER)]) == 0
    assert await store.fenced([outcome(taken, Event.ACCEPT)]) == 1
    assert await store.fenced([]) == 0
