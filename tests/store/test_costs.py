"""Costs: the counter is the sum of the messages', and no budget is ever exceeded (docs/behaviour.md, section 14).

Money here is in small numbers of millionths."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from engine.domain.access import Impossible
from engine.domain.cost import Charge, Quote
from engine.domain.errors import InvalidInput
from engine.domain.message import Event, Reason, Status
from engine.domain.receipt import Delivery, Receipt
from engine.domain.window import PauseReason
from engine.ports import Claim
from engine.store import Store
from engine.store.rows import AuditQuery, MailingRow, Page
from tests.store.world import (
    BY,
    LEASE,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    mailing,
    messages,
    outcome,
    record,
    release,
    suppress,
)

PRICED = Quote(10)
LIMITED = Quote(10, has_budget=True)


async def a_mailing(store: Store, clients: int, budget: int | None = None, policy: str = "resend") -> tuple[int, int]:
    """Clients, a mailing for them and an engine: (mailing id, engine id)."""
    await add_clients(store, clients)
    return await add_mailing(store, mailing(budget=budget, on_uncertain=policy)), await add_engine(store)


async def costs(store: Store, mailing_id: int) -> list[int]:
    """What each message costs, after the counter has been found to be their sum, and the budget not exceeded."""
    assert await store.check() == []
    row = await store.get_mailing(mailing_id)
    found = [message.cost for message in await messages(store, mailing_id)]
    assert row.cost == sum(found)
    assert row.budget is None or row.cost <= row.budget
    return found


async def pauses(store: Store) -> list[tuple[str, object]]:
    """Who has paused what, as the audit list has it."""
    found = await store.list_audit(AuditQuery(action="mailing.pause"), Page())
    return [(row.actor, row.detail.get("reason")) for row in found.items]


async def test_a_claim_is_charged_and_an_outcome_settles_it(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 4)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    assert {taken.charge for taken in claims} == {Charge(0, 10)}
    assert await costs(store, mailing_id) == [10, 10, 10, 10]
    await record(store, owner, claims[:2], Event.ACCEPT, cost=10)
    await record(store, owner, claims[2:], Event.ACCEPT, cost=7)
    assert await costs(store, mailing_id) == [10, 10, 7, 7]


async def test_accepted_ones_of_several_prices_are_stored_together(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 4)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    records = [outcome(taken, Event.ACCEPT, cost=cost) for taken, cost in zip(claims, (10, 3, 5, 3), strict=True)]
    assert await store.record(records, owner=owner, now_us=NOW) == 4
    assert await costs(store, mailing_id) == [10, 3, 5, 3]


@pytest.mark.parametrize(
    ("event", "cost"),
    [(Event.ACCEPT, 7), (Event.REJECT, 0), (Event.DEFER, 0), (Event.MISS, 7), (Event.LACK, 0)],
)
async def test_what_certainly_was_not_sent_costs_nothing(store: Store, event: Event, cost: int) -> None:
    mailing_id, owner = await a_mailing(store, 2)
    first, second = await claim(store, mailing_id, owner, quote=PRICED)
    records = [outcome(first, event, cost=7), outcome(second, Event.ACCEPT, cost=10)]
    await store.record(records, owner=owner, now_us=NOW)
    assert await costs(store, mailing_id) == [cost, 10]


async def test_what_is_given_back_costs_nothing(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 2)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    await release(store, owner, claims)
    assert await costs(store, mailing_id) == [0, 0]


async def test_a_message_that_may_have_been_taken_is_charged_once_with_its_dearest_call(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 4)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    await record(store, owner, claims, Event.MISS, cost=8)
    assert await costs(store, mailing_id) == [8] * 4
    again = await claim(store, mailing_id, owner, quote=PRICED)
    assert {taken.charge for taken in again} == {Charge(8, 10)}
    assert await costs(store, mailing_id) == [10] * 4
    await release(store, owner, again[:1])
    await record(store, owner, again[1:2], Event.DEFER)
    await record(store, owner, again[2:3], Event.ACCEPT, cost=5)
    await record(store, owner, again[3:], Event.REJECT, cost=9)
    assert await costs(store, mailing_id) == [8, 8, 8, 8]
    assert [message.reason for message in await messages(store)][3] is Reason.UNCERTAIN


@pytest.mark.parametrize(("policy", "cost"), [("resend", 10), ("not_sent", 0)])
async def test_an_engine_that_dies_may_have_sent_what_was_charged(store: Store, policy: str, cost: int) -> None:
    mailing_id, owner = await a_mailing(store, 1, policy=policy)
    await claim(store, mailing_id, owner, quote=PRICED)
    await store.recover(LEASE + 1, 100, expired_only=True)
    assert await costs(store, mailing_id) == [cost]  # what stores a mark before each call has made none


async def test_an_engine_that_dies_after_the_mark_may_have_sent(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 1, policy="not_sent")
    await store.begin(await claim(store, mailing_id, owner, quote=PRICED), owner=owner)
    await store.recover(LEASE + 1, 100, expired_only=True)
    assert await costs(store, mailing_id) == [10]


@pytest.mark.parametrize("how", ["release", "defer", "recover"])
async def test_what_is_suppressed_costs_nothing(store: Store, how: str) -> None:
    mailing_id, owner = await a_mailing(store, 1, policy="not_sent" if how == "recover" else "resend")
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    await suppress(store, 0)
    if how == "release":
        await release(store, owner, claims)
    elif how == "defer":
        await record(store, owner, claims, Event.DEFER)
    else:
        await store.recover(LEASE + 1, 100, expired_only=True)
    assert [message.reason for message in await messages(store)] == [Reason.SUPPRESSED]
    assert await costs(store, mailing_id) == [0]


@pytest.mark.parametrize("how", ["release", "defer", "recover"])
async def test_what_is_removed_costs_nothing(store: Store, how: str) -> None:
    policy = "not_sent" if how == "recover" else "resend"
    mailing_id, owner = await a_mailing(store, 1, policy=policy)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    await store.delete_client(claims[0].client_id, by=BY, now_us=NOW)
    if how == "release":
        await release(store, owner, claims)
    elif how == "defer":
        await record(store, owner, claims, Event.DEFER)
    else:
        await store.recover(LEASE + 1, 100, expired_only=True)
    assert await costs(store, mailing_id) == []


async def test_a_receipt_for_a_message_in_hand_says_that_it_was_taken(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 1)
    claims = await claim(store, mailing_id, owner, quote=PRICED)
    receipt = Receipt(Delivery.DELIVERED, NOW, claims[0].message_id)
    await store.record_receipts([receipt], now_us=NOW)
    await record(store, owner, claims, Event.DEFER, cost=7)
    assert [message.status for message in await messages(store)] == [Status.SENT]
    assert await costs(store, mailing_id) == [7]


async def test_a_provider_without_a_price_leaves_costs_as_they_are(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 2)
    await record(store, owner, await claim(store, mailing_id, owner, quote=PRICED), Event.MISS, cost=8)
    first, second = await claim(store, mailing_id, owner)
    assert (first.charge, second.charge) == (Charge(), Charge())
    await record(store, owner, [first], Event.ACCEPT)
    await release(store, owner, [second])
    assert await costs(store, mailing_id) == [8, 8]


async def test_only_what_the_budget_is_enough_for_is_claimed(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 5, budget=29)
    claims = await claim(store, mailing_id, owner, quote=LIMITED)
    assert len(claims) == 2
    assert await costs(store, mailing_id) == [10, 10, 0, 0, 0]
    # Their outcomes may make room: so the mailing goes on.
    assert await claim(store, mailing_id, owner, quote=LIMITED) == []
    assert not (await store.get_mailing(mailing_id)).paused
    await record(store, owner, claims, Event.ACCEPT, cost=4)
    assert len(await claim(store, mailing_id, owner, quote=LIMITED)) == 2


async def test_a_budget_that_is_used_up_pauses_the_mailing(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 3, budget=29)
    revision = (await store.read_control(0)).revision
    await record(store, owner, await claim(store, mailing_id, owner, quote=LIMITED), Event.ACCEPT, cost=10)
    assert await claim(store, mailing_id, owner, quote=LIMITED) == []
    row = await store.get_mailing(mailing_id)
    assert (row.paused, row.pause_reason, row.cost) == (True, PauseReason.BUDGET, 20)
    assert await pauses(store) == [("engine", "budget")]
    assert (await store.read_control(0)).revision == revision + 1
    assert await claim(store, mailing_id, owner, quote=LIMITED) == []
    assert len(await pauses(store)) == 1
    assert await costs(store, mailing_id) == [10, 10, 0]


async def test_a_mailing_that_is_through_is_not_paused(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 2, budget=20)
    await record(store, owner, await claim(store, mailing_id, owner, quote=LIMITED), Event.ACCEPT, cost=10)
    assert await claim(store, mailing_id, owner, quote=LIMITED) == []
    assert not (await store.get_mailing(mailing_id)).paused


async def test_what_is_charged_already_is_called_again_without_room(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 3, budget=20)
    await record(store, owner, await claim(store, mailing_id, owner, quote=LIMITED), Event.MISS, cost=10)
    again = await claim(store, mailing_id, owner, quote=LIMITED)
    assert {taken.charge for taken in again} == {Charge(10, 10)}
    assert len(again) == 2
    assert await costs(store, mailing_id) == [10, 10, 0]


async def test_a_mailing_goes_on_once_its_budget_is_raised(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 3, budget=20)
    await record(store, owner, await claim(store, mailing_id, owner, quote=LIMITED), Event.ACCEPT, cost=10)
    await claim(store, mailing_id, owner, quote=LIMITED)
    with pytest.raises(Impossible, match="budget"):
        await store.set_paused(mailing_id, False, by=BY, now_us=NOW, cheapest=lambda row: 10)
    await store.update_mailing(mailing_id, lambda row: mailing(budget=30), by=BY, now_us=NOW)
    changed = await store.set_paused(mailing_id, False, by=BY, now_us=NOW, cheapest=lambda row: 10)
    assert (changed.row.paused, changed.row.pause_reason) == (False, None)
    assert len(await claim(store, mailing_id, owner, quote=LIMITED)) == 1


async def test_a_budget_is_not_lowered_below_the_cost(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 2)
    await claim(store, mailing_id, owner, quote=PRICED)

    async def edit(budget: int | None) -> MailingRow:
        return await store.update_mailing(mailing_id, lambda row: mailing(budget=budget), by=BY, now_us=NOW)

    with pytest.raises(InvalidInput, match="budget"):
        await edit(19)
    assert (await edit(20)).budget == 20
    assert (await edit(None)).budget is None


async def test_an_engine_that_knows_of_no_budget_claims_nothing(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 2, budget=10)
    assert await claim(store, mailing_id, owner, quote=PRICED) == []
    await store.update_mailing(mailing_id, lambda row: mailing(), by=BY, now_us=NOW)
    assert len(await claim(store, mailing_id, owner, quote=LIMITED)) == 2  # nor does one that knows of an old one
    assert await costs(store, mailing_id) == [10, 10]


async def test_a_longer_text_has_another_price(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 3, budget=35)
    claims = await claim(store, mailing_id, owner, quote=LIMITED)
    await store.update_mailing(mailing_id, lambda row: mailing(text="longer", budget=35), by=BY, now_us=NOW)
    assert not claims[0].charge.covers(20)
    await release(store, owner, claims)
    assert len(await claim(store, mailing_id, owner, quote=Quote(20, has_budget=True))) == 1
    assert sorted(await costs(store, mailing_id)) == [0, 0, 20]


def by_number(prices: Iterable[int], budget: bool = False) -> Quote:
    """Each of the clients that ``add_clients`` makes has a text of its own, at most of 100."""
    listed = list(prices)
    return Quote(100, budget, lambda person: listed[person.phone_number % len(listed)])


async def personal(store: Store, mailing_id: int, owner: int, quote: Quote, now_us: int = NOW) -> list[Claim]:
    return await claim(store, mailing_id, owner, now_us=now_us, quote=quote, personal=True)


async def test_a_crash_leaves_of_a_text_of_ones_own_no_more_than_its_price(store: Store) -> None:
    mailing_id, dead = await a_mailing(store, 2)
    claims = await personal(store, mailing_id, dead, by_number([10, 20]))
    assert {taken.charge for taken in claims} == {Charge(0, 10), Charge(0, 20)}
    assert sorted(await costs(store, mailing_id)) == [10, 20]
    await store.recover(LEASE + 1, 100, expired_only=True)
    again = await personal(store, mailing_id, await add_engine(store), by_number([10, 20]), LEASE + 2)
    assert {taken.charge for taken in again} == {Charge(10, 10), Charge(20, 20)}


async def test_texts_of_ones_own_use_a_budget_to_its_end(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 5, budget=60)
    quote = by_number([10, 10, 40, 10, 10], budget=True)
    for _ in range(3):
        claims = await personal(store, mailing_id, owner, quote)
        for taken in claims:
            await record(store, owner, [taken], Event.ACCEPT, cost=taken.charge.reserved)
    assert await costs(store, mailing_id) == [10, 10, 40, 0, 0]
    assert (await store.get_mailing(mailing_id)).pause_reason is PauseReason.BUDGET


async def test_what_a_crash_has_charged_needs_no_room_to_be_called_again(store: Store) -> None:
    mailing_id, dead = await a_mailing(store, 1, budget=15)
    quote = by_number([15], budget=True)
    assert len(await personal(store, mailing_id, dead, quote)) == 1
    await store.recover(LEASE + 1, 100, expired_only=True)
    (taken,) = await personal(store, mailing_id, await add_engine(store), quote, LEASE + 2)
    assert taken.charge == Charge(15, 15)


async def test_engines_at_once_never_exceed_a_budget(store: Store) -> None:
    mailing_id, owner = await a_mailing(store, 60, budget=405)
    engines = [owner, await add_engine(store), await add_engine(store)]

    async def engine(number: int) -> int:
        sent = 0
        for turn in range(40):
            claims = await claim(store, mailing_id, engines[number], limit=7, quote=LIMITED)
            await asyncio.gather(*(settle(each, engines[number], turn) for each in groups(claims)))
            assert (await store.get_mailing(mailing_id)).cost <= 405
            sent += len(claims)
        return sent

    async def settle(claims: list[Claim], owner: int, turn: int) -> None:
        if turn % 3 == 0:
            await store.release([each.given_back() for each in claims], owner=owner, now_us=NOW)
        else:
            await record(store, owner, claims, Event.ACCEPT if turn % 3 == 1 else Event.MISS, cost=9)

    await asyncio.gather(*(engine(number) for number in range(3)))
    found = await costs(store, mailing_id)
    assert sum(found) > 405 - 10
    row = await store.get_mailing(mailing_id)
    assert (row.paused, row.pause_reason) == (True, PauseReason.BUDGET)
    assert await pauses(store) == [("engine", "budget")]


def groups(claims: list[Claim]) -> Iterable[list[Claim]]:
    """Two parts, those that are not empty."""
    half = len(claims) // 2
    return [part for part in (claims[:half], claims[half:]) if part]
