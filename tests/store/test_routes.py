"""Which provider may have which message: the fence in the store, whatever engines remember or forget."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from engine.domain.message import Event
from engine.domain.routing import ANY_NUMBER, Ranges, Route, Way, Wish, ranges_of, route_of
from engine.ports import Claim
from engine.store import Store
from engine.store.database import Tx
from tests.store.world import LEASE, NOW, a_mailing_with, outcome, record, release

A, B = Way(1, name="fbrq"), Way(2, name="b")
A_CLOSED, B_CLOSED = Way(1, is_open=False, name="fbrq"), Way(2, is_open=False, name="b")
A_FIRST, B_SECOND = route_of([A, B], A), route_of([A, B], B)
"""Both are open."""
A_AWAY, B_ALONE = route_of([A_CLOSED, B], A_CLOSED), route_of([A_CLOSED, B], B)
RANGES: tuple[Ranges, ...] = (ANY_NUMBER, (), ranges_of(["7916"]), ranges_of(["7999"]))


def every_route(provider_id: int) -> list[Route]:
    """All kinds of what a provider may have, whether they ever come up or not."""
    leaves = [(), (1,), (2,), (3, 4)]
    return [Route(provider_id, *each) for each in product((True, False), RANGES, leaves)]


async def take(store: Store, mailing_id: int, owner: int, route: Route, limit: int = 100) -> list[Claim]:
    return await store.claim(mailing_id, limit, owner=owner, now_us=NOW, lease_until_us=LEASE, route=route)


async def sql(store: Store, text: str) -> list[tuple[Any, ...]]:
    async def work(tx: Tx) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await tx.rows(text)]

    return await store._db.transaction(work)


async def whose(store: Store) -> list[tuple[Any, ...]]:
    return await sql(store, "SELECT provider_id FROM message ORDER BY id")


async def test_free_messages_are_for_the_responsible_provider(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    assert await take(store, mailing_id, owner, B_SECOND) == []
    assert await store.next_due_us(mailing_id, B_SECOND) is None
    assert await store.next_due_us(mailing_id, A_FIRST) == 0
    taken = await take(store, mailing_id, owner, A_FIRST)
    assert [claim.provider_id for claim in taken] == [1, 1, 1]
    assert await whose(store) == [(1,)] * 3


@pytest.mark.parametrize("how", ["missed", "lost"])
async def test_what_may_have_reached_a_provider_is_its_own_for_ever(store: Store, how: str) -> None:
    """Whatever route another one has; and whatever this one's says, it may have it."""
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await take(store, mailing_id, owner, A_FIRST)
    if how == "missed":
        missed = outcome(taken, Event.MISS, due_us=NOW)._replace(next_provider=2)
        assert await store.record([missed], owner=owner, now_us=NOW) == 1
    else:
        assert await store.recover(LEASE + 1, 10, expired_only=True) == 1
    for route in every_route(2):
        assert await take(store, mailing_id, owner, route) == [], route
        assert await store.next_due_us(mailing_id, route) is None, route
    for route in every_route(1):
        (again,) = await take(store, mailing_id, owner, route)
        assert await release(store, owner, [again], due_us=NOW) == 1
    # Nothing that is known later sets it free.
    (again,) = await take(store, mailing_id, owner, A_FIRST)
    deferred = outcome(again, Event.DEFER, due_us=NOW, http_status=503)._replace(next_provider=2)
    assert await store.record([deferred], owner=owner, now_us=NOW) == 1
    for route in every_route(2):
        assert await take(store, mailing_id, owner, route) == [], route
    assert await sql(store, "SELECT DISTINCT provider_id FROM attempt") == [(1,)]


async def test_what_was_certainly_not_taken_is_the_next_ones_turn(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    both = await take(store, mailing_id, owner, A_FIRST)
    records = [outcome(claim, Event.DEFER, due_us=NOW)._replace(next_provider=2) for claim in both]
    assert await store.record(records, owner=owner, now_us=NOW) == 2
    assert await take(store, mailing_id, owner, A_FIRST) == []
    assert await store.next_due_us(mailing_id, B_SECOND) == NOW
    (one,) = await take(store, mailing_id, owner, B_SECOND, 1)
    assert (one.provider_id, one.attempt) == (2, 2)
    # The next one is closed by now: its turn is nobody's.
    (other,) = await take(store, mailing_id, owner, route_of([A, B_CLOSED], A))
    assert other.message_id != one.message_id
    assert await record(store, owner, [one], Event.ACCEPT) == 1
    assert await record(store, owner, [other], Event.REJECT) == 1
    assert await whose(store) == [(2,), (1,)]
    assert await sql(store, "SELECT number, provider_id FROM attempt ORDER BY message_id") == [(1, 1), (1, 1)]


async def test_after_the_last_it_is_free_again(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    assert await record(store, owner, await take(store, mailing_id, owner, B_ALONE), Event.DEFER, due_us=NOW) == 1
    assert await whose(store) == [(None,)]
    assert len(await take(store, mailing_id, owner, A_FIRST)) == 1


async def test_what_is_given_back_stays_where_it_was_unless_that_one_closes(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    assert await release(store, owner, await take(store, mailing_id, owner, A_FIRST)) == 2
    assert await take(store, mailing_id, owner, B_SECOND) == []
    assert len(await take(store, mailing_id, owner, A_AWAY, 1)) == 1  # its probe
    assert len(await take(store, mailing_id, owner, B_ALONE)) == 1


async def test_a_mailing_for_one_provider(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    assert await release(store, owner, await take(store, mailing_id, owner, A_FIRST)) == 2
    assert await take(store, mailing_id, owner, route_of([A, B], A, Wish("b"))) == []
    assert len(await take(store, mailing_id, owner, route_of([A, B], B, Wish("b")))) == 2


async def test_providers_that_are_gone_keep_only_what_may_have_reached_them(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    first, second = await take(store, mailing_id, owner, B_ALONE)
    assert await record(store, owner, [first], Event.MISS, due_us=NOW) == 1
    assert await release(store, owner, [second]) == 1
    (taken,) = await take(store, mailing_id, owner, route_of([A], A))
    assert taken.message_id == second.message_id


async def test_numbers(store: Store) -> None:
    """The clients' numbers are 79160000000 and so on."""
    mailing_id, owner = await a_mailing_with(store, 4)
    some = Way(1, ranges=ranges_of(["79160000001", "79160000002"]), name="fbrq")
    rest = Way(2, name="b")
    assert len(await take(store, mailing_id, owner, route_of([some, rest], rest))) == 2
    assert await store.next_due_us(mailing_id, route_of([some, rest], some)) == 0
    assert len(await take(store, mailing_id, owner, route_of([some, rest], some))) == 2
    assert await store.next_due_us(mailing_id, route_of([some, rest], some)) is None
