"""Receipts, in any order and as often as a provider likes: delivered + undelivered + none = sent, at any instant, and a
message that the provider took is sent, and not called again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import permutations, product
from typing import Any

import pytest

from engine.domain.message import Event, Reason, Status
from engine.domain.receipt import Delivery, Effect, Receipt
from engine.ports import Claim
from engine.store import Store
from engine.store.database import Tx
from engine.store.receipts import Recorded
from engine.store.rows import AttemptOutcome, MessageQuery, MessageRow, Page, RequestKey
from tests.store.conftest import AT_ONCE_SECONDS, Opener
from tests.store.world import (
    BY,
    END,
    LEASE,
    NOW,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    counts,
    mailing,
    messages,
    outcome,
    record,
    release,
    suppress,
)

D, U = Delivery.DELIVERED, Delivery.UNDELIVERED
S = 1_000_000
SAID = NOW + 3 * S
FAILURES = (Event.REJECT, Event.DEFER, Event.MISS)


def said(message: Claim | int, delivery: Delivery = D, time_us: int = SAID, **more: Any) -> Receipt:
    """A receipt for a message."""
    return Receipt(delivery, time_us, message if isinstance(message, int) else message.message_id, **more)


async def tell(store: Store, *receipts: Receipt, now_us: int = SAID) -> list[Effect]:
    """Hand in receipts together."""
    return list((await store.record_receipts(receipts, now_us=now_us)).effects)


async def funnel(store: Store, mailing_id: int) -> tuple[int, int, int]:
    """Sent, delivered, undelivered, after a recount has agreed with them."""
    found = await counts(store, mailing_id)
    assert found.no_receipt >= 0
    return found.sent, found.delivered, found.undelivered


async def only(store: Store, mailing_id: int) -> MessageRow:
    (row,) = await messages(store, mailing_id)
    return row


async def a_claim(store: Store, **more: Any) -> tuple[int, int, Claim]:
    """A mailing with one message, the engine that has it, and its claim."""
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(**more)), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    return mailing_id, owner, taken


async def again(store: Store, mailing_id: int, owner: int, taken: Claim, event: Event = Event.MISS) -> Claim:
    """The message has failed, and is claimed for its second call."""
    await record(store, owner, [taken], event, due_us=NOW)
    (taken,) = await claim(store, mailing_id, owner)
    assert taken.attempt == 2
    return taken


# -- one message ------------------------------------------------------------------------------------


async def test_a_receipt_of_a_sent_message_is_shown_and_counted_and_changes_nothing_else(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    claims = await claim(store, mailing_id, owner)
    await record(store, owner, claims, Event.ACCEPT)
    before = await messages(store, mailing_id)
    assert await tell(store, said(claims[0], code="000", detail="ok"), said(claims[1], U)) == [Effect.KEPT] * 2
    assert await funnel(store, mailing_id) == (3, 1, 1)
    first, second, third = await messages(store, mailing_id)
    assert (first.delivery, first.delivery_us, first.delivery_code, first.delivery_detail) == (D, SAID, "000", "ok")
    assert (second.delivery, second.delivery_code) == (U, None)
    assert third == before[2]
    assert [(row.status, row.sent_us) for row in before] == [
        (row.status, row.sent_us) for row in (first, second, third)
    ]


async def test_the_order_in_which_receipts_come_is_of_no_matter_the_later_time_wins(store: Store) -> None:
    receipts = [(D, SAID), (U, SAID + 1), (D, SAID + 2)]
    orders = list(permutations(receipts))
    mailing_id, owner = await a_mailing_with(store, len(orders) * 2)
    claims = await claim(store, mailing_id, owner)
    await record(store, owner, claims, Event.ACCEPT)
    for taken, order in zip(claims, orders, strict=False):
        for delivery, time_us in order:
            await tell(store, said(taken, delivery, time_us))
    for taken, order in zip(claims[len(orders) :], orders, strict=True):  # all of them in one transaction
        await tell(store, *(said(taken, delivery, time_us) for delivery, time_us in order))
    assert {(row.delivery, row.delivery_us) for row in await messages(store, mailing_id)} == {(D, SAID + 2)}
    assert await funnel(store, mailing_id) == (12, 12, 0)


async def test_a_repeat_and_what_is_no_later_are_duplicates(store: Store) -> None:
    mailing_id, owner, taken = await a_claim(store)
    await record(store, owner, [taken], Event.ACCEPT)
    first = said(taken, U)
    assert await tell(store, first, first, said(taken, D, SAID), said(taken, D, SAID - 1)) == [
        Effect.KEPT,
        *[Effect.DUPLICATE] * 3,
    ]
    assert await tell(store, first) == [Effect.DUPLICATE]
    assert await funnel(store, mailing_id) == (1, 0, 1)
    assert await tell(store, said(taken, D, SAID + 1)) == [Effect.KEPT]
    assert await funnel(store, mailing_id) == (1, 1, 0)


async def test_nobody_knows_a_message_that_is_not_there_or_was_not_called(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    (waiting,) = await messages(store, mailing_id)
    assert await tell(store, said(waiting.id), said(waiting.id + 1), said(2**62)) == [Effect.UNKNOWN] * 3
    assert await funnel(store, mailing_id) == (0, 0, 0)
    assert await store.next_due_us(mailing_id) == 0


async def test_a_message_of_a_deleted_mailing_is_unknown_and_so_is_one_that_is_gone(store: Store) -> None:
    mailing_id, owner, taken = await a_claim(store)
    await record(store, owner, [taken], Event.ACCEPT)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert await tell(store, said(taken)) == [Effect.UNKNOWN]
    assert await store.purge(mailing_id, 10)
    assert await tell(store, said(taken)) == [Effect.UNKNOWN]


async def test_a_message_of_a_deleted_client_keeps_its_receipt(store: Store) -> None:
    mailing_id, owner, taken = await a_claim(store)
    await record(store, owner, [taken], Event.ACCEPT)
    await store.delete_client(taken.client_id, by=BY, now_us=NOW)
    assert await tell(store, said(taken, detail=f"no such number {taken.phone_number}")) == [Effect.KEPT]
    row = await only(store, mailing_id)
    assert row.client_id is None
    assert str(taken.phone_number) not in (row.delivery_detail or "")
    assert await funnel(store, mailing_id) == (1, 1, 0)


# -- by the provider's own id -------------------------------------------------------------------------


async def name_at_provider(store: Store, message_id: int, name: str, provider: str | None = None) -> None:
    """As it is stored with the provider's answer."""
    id = None if provider is None else (await store.provider_ids([provider]))[provider]

    async def work(tx: Tx) -> None:
        await tx.run("UPDATE message SET provider_message_id = ?, provider_id = ? WHERE id = ?", name, id, message_id)

    await store._db.transaction(work)


async def test_a_provider_may_call_a_message_by_its_own_id(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    claims = await claim(store, mailing_id, owner)
    await record(store, owner, claims, Event.ACCEPT)
    old, new, other, _ = [taken.message_id for taken in claims]
    for id, name, provider in ((old, "x", None), (new, "x", "b"), (other, "y", "b")):
        await name_at_provider(store, id, name, provider)

    def named(name: str, provider: str | None = None) -> Receipt:
        return Receipt(D, SAID, provider_message_id=name, provider=provider)

    effects = await tell(store, named("x"), named("x", "fbrq"), named("y", "fbrq"), named("z"), said(other, U))
    assert effects == [Effect.KEPT, Effect.KEPT, Effect.UNKNOWN, Effect.UNKNOWN, Effect.KEPT]
    assert [row.delivery for row in await messages(store, mailing_id)] == [D, D, U, None]
    assert await tell(store, named("x", "b"), named("y", "b")) == [Effect.DUPLICATE] * 2


# -- before our own outcome ---------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Event.ACCEPT, *FAILURES])
async def test_an_early_receipt_is_kept_and_counts_whatever_comes_of_the_call(store: Store, event: Event) -> None:
    mailing_id, owner, taken = await a_claim(store)
    assert await tell(store, said(taken)) == [Effect.KEPT]
    assert await funnel(store, mailing_id) == (0, 0, 0)
    assert await record(store, owner, [taken], event, due_us=NOW) == 1
    assert await funnel(store, mailing_id) == (1, 1, 0)
    row, attempts = await store.get_message((await only(store, mailing_id)).id)
    assert (row.attempts, row.delivery, row.text_version, row.detail) == (1, D, row.text_version, "")
    assert len(attempts) == 1
    assert (attempts[0].outcome is AttemptOutcome.SENT) == (event is Event.ACCEPT)
    assert (await store.mailing_stats(mailing_id)).attempts == 1
    assert await claim(store, mailing_id, owner, now_us=END - 1) == []


async def test_early_receipts_of_some_do_not_touch_the_others_of_a_batch(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    claims = await claim(store, mailing_id, owner)
    await tell(store, said(claims[1]), said(claims[3], U))
    assert await record(store, owner, claims, Event.ACCEPT) == 5
    assert await funnel(store, mailing_id) == (5, 1, 1)
    assert await store.fenced([]) == 0


@pytest.mark.parametrize("event", [Event.RELEASE, Event.LACK])
async def test_what_was_said_of_a_message_that_was_never_called_is_dropped(store: Store, event: Event) -> None:
    mailing_id, owner, taken = await a_claim(store)
    assert await tell(store, said(taken)) == [Effect.KEPT]
    if event is Event.RELEASE:
        assert await release(store, owner, [taken]) == 1
        (taken,) = await claim(store, mailing_id, owner)
        await record(store, owner, [taken], Event.ACCEPT)
        assert await funnel(store, mailing_id) == (1, 0, 0)
    else:
        assert await record(store, owner, [taken], event) == 1
        assert await funnel(store, mailing_id) == (0, 0, 0)
    row = await only(store, mailing_id)
    assert (row.delivery, row.delivery_us) == (None, None)


async def test_nor_does_it_stay_when_the_message_is_given_back_and_ends(store: Store) -> None:
    mailing_id, owner, taken = await a_claim(store)
    assert await tell(store, said(taken)) == [Effect.KEPT]
    await suppress(store, 0)
    assert await release(store, owner, [taken]) == 1
    row = await only(store, mailing_id)
    assert (row.reason, row.delivery, row.delivery_us) == (Reason.SUPPRESSED, None, None)
    assert await store.check() == []


# -- evidence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("event", [Event.MISS, Event.DEFER])
async def test_a_message_that_waits_after_a_call_is_sent_by_its_receipt(
    store: Store, event: Event, delivery: Delivery
) -> None:
    mailing_id, owner, taken = await a_claim(store)
    await record(store, owner, [taken], event, due_us=NOW)
    assert await tell(store, said(taken, delivery)) == [Effect.CONFIRMS]
    assert await funnel(store, mailing_id) == (1, int(delivery is D), int(delivery is U))
    row, attempts = await store.get_message(taken.message_id)
    assert (row.sent_us, row.next_attempt_us, row.detail, row.attempts) == (SAID, None, "", 1)
    assert [attempt.outcome for attempt in attempts] == [
        AttemptOutcome.LOST if event is Event.MISS else AttemptOutcome.DEFERRED
    ]
    assert await claim(store, mailing_id, owner, now_us=END - 1) == []
    assert await store.expire(mailing_id, 10, END) == 0
    (text,) = (await store.mailing_stats(mailing_id)).texts
    assert text.sent == 1


Undo = Callable[[Store, int, Claim], Coroutine[Any, Any, object]]
LETTING_GO: dict[str, Undo] = {
    **{event.name: lambda s, o, c, e=event: record(s, o, [c], e, due_us=NOW) for event in (Event.ACCEPT, *FAILURES)},  # type: ignore[misc]
    "LACK": lambda store, owner, taken: record(store, owner, [taken], Event.LACK),
    "RELEASE": lambda store, owner, taken: release(store, owner, [taken]),
    "LOSE": lambda store, owner, taken: store.recover(LEASE + 1, 10, expired_only=True),
}


@pytest.mark.parametrize("is_stale", [False, True])
@pytest.mark.parametrize("name", LETTING_GO)
async def test_a_message_that_was_claimed_again_is_sent_when_its_engine_lets_go_of_it(
    store: Store, name: str, is_stale: bool
) -> None:
    mailing_id, owner, taken = await a_claim(store)
    taken = await again(store, mailing_id, owner, taken)
    recorded = await store.record_receipts([said(taken)], now_us=SAID)
    assert recorded == Recorded((Effect.KEPT,), (taken.client_id,))
    if is_stale:
        await store.delete_client(taken.client_id, by=BY, now_us=NOW)
    assert await LETTING_GO[name](store, owner, taken) == 1
    assert await funnel(store, mailing_id) == (1, 1, 0)
    row, attempts = await store.get_message(taken.message_id)
    made = 1 if name in ("LACK", "RELEASE") else 2
    assert (row.attempts, len(attempts), (await store.mailing_stats(mailing_id)).attempts) == (made, made, made)
    (text,) = (await store.mailing_stats(mailing_id)).texts
    assert text.sent == 1


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.postgres
@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("name", LETTING_GO)
async def test_no_engine_that_lets_go_of_a_message_waits_for_its_client(
    store: Store, open_store: Opener, name: str, calls: int
) -> None:
    """PostgreSQL locks what a row refers to when a transaction changes the row for the second time."""
    mailing_id, owner, taken = await a_claim(store)
    if calls > 1:
        taken = await again(store, mailing_id, owner, taken)
    await tell(store, said(taken))
    importer = await open_store()

    async def work(tx: Tx) -> None:
        await tx.rows("SELECT 1 FROM client WHERE id = ? FOR UPDATE", taken.client_id)
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert await LETTING_GO[name](store, owner, taken) == 1

    await importer._db.transaction(work)


@pytest.mark.parametrize("event", [Event.MISS, Event.DEFER])
async def test_the_engine_that_has_it_finds_it_out(store: Store, event: Event) -> None:
    mailing_id, owner, taken = await a_claim(store)
    await tell(store, said(taken, time_us=SAID - 1))
    assert await store.outdated([taken], owner=owner) == set()  # its first call may be under way
    await release(store, owner, [taken])
    (taken,) = await claim(store, mailing_id, owner)
    taken = await again(store, mailing_id, owner, taken, event)
    assert await store.outdated([taken], owner=owner) == set()
    await tell(store, said(taken))
    assert await store.outdated([taken], owner=owner) == {taken.message_id}
    recorded = await store.record_receipts([said(taken, time_us=SAID + 1)], now_us=SAID)
    assert recorded.effects == (Effect.KEPT,)


@pytest.mark.parametrize("request_id", [None, "r1"])
async def test_whoever_repeats_a_receipt_is_answered_after_the_engine_that_has_the_message(
    store: Store, request_id: str | None
) -> None:
    """The answer to the first try was lost, perhaps before the engine had been told."""
    mailing_id, owner, taken = await a_claim(store)
    taken = await again(store, mailing_id, owner, taken)
    key = None if request_id is None else RequestKey(request_id, "RecordReceipts", "f")
    first = await store.record_receipts([said(taken)], now_us=SAID, request=key)
    repeat = await store.record_receipts([said(taken)], now_us=SAID, request=key)
    effect = Effect.KEPT if request_id else Effect.DUPLICATE
    assert (first.client_ids, repeat) == ((taken.client_id,), Recorded((effect,), (taken.client_id,)))
    await record(store, owner, [taken], Event.MISS)
    assert (await store.record_receipts([said(taken)], now_us=SAID, request=key)).client_ids == ()
    assert await funnel(store, mailing_id) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.postgres
async def test_another_engine_is_told_and_only_then(store: Store, open_store: Opener) -> None:
    mailing_id, owner, taken = await a_claim(store)
    other = await open_store()
    await add_engine(other)
    told: list[int] = []
    other.on_owners_told = told.append
    await other.record_receipts([said(taken, time_us=SAID - 1)], now_us=SAID)
    assert told == []  # its first call
    await release(store, owner, [taken])
    (taken,) = await claim(store, mailing_id, owner)
    taken = await again(store, mailing_id, owner, taken)
    await other.record_receipts([said(taken)], now_us=SAID)
    control = await store.read_control(0)
    assert told == [control.revision]
    await other.record_receipts([said(taken)], now_us=SAID)  # the answer to the first try was lost
    assert told == [control.revision, (await store.read_control(0)).revision]
    store.on_owners_told = told.append
    await store.record_receipts([said(taken, time_us=SAID + 1)], now_us=SAID)
    assert len(told) == 2  # its own claim: nobody else has to know


@pytest.mark.parametrize("marked", [False, True])
async def test_a_receipt_speaks_for_an_engine_that_died(store: Store, marked: bool) -> None:
    """With the policy that nobody gets a text twice: what was not marked was not called."""
    mailing_id, owner, taken = await a_claim(store, on_uncertain="not_sent")
    if marked:
        await store.begin([taken], owner=owner)
    await tell(store, said(taken))
    assert await store.recover(LEASE + 1, 10, expired_only=True) == 1
    assert await funnel(store, mailing_id) == ((1, 1, 0) if marked else (0, 0, 0))
    row, attempts = await store.get_message(taken.message_id)
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LOST] * marked
    assert row.attempts == int(marked)


async def test_a_message_that_ended_stays_as_it_ended_and_shows_its_receipt(store: Store) -> None:
    mailing_id, owner, taken = await a_claim(store, on_uncertain="not_sent")
    await store.begin([taken], owner=owner)
    await record(store, owner, [taken], Event.MISS)
    before = await only(store, mailing_id)
    assert await tell(store, said(taken)) == [Effect.KEPT]
    after = await only(store, mailing_id)
    assert (after.status, after.reason, after.final_us) == (before.status, before.reason, before.final_us)
    assert (after.delivery, after.delivery_us) == (D, SAID)
    assert await funnel(store, mailing_id) == (0, 0, 0)


async def test_an_outcome_that_is_stored_twice_is_no_loss(store: Store) -> None:
    """The answer to the first try never came."""
    for event in (Event.ACCEPT, *FAILURES):
        _, owner, taken = await a_claim(store)
        await tell(store, said(taken))
        ended = outcome(taken, event, due_us=NOW)
        assert await store.record([ended], owner=owner, now_us=NOW) == 1
        assert await store.record([ended], owner=owner, now_us=NOW) == 0
        assert await store.fenced([ended]) == 0


# -- statistics ---------------------------------------------------------------------------------------


async def test_the_timeline_and_the_way_of_what_is_delivered(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    claims = await claim(store, mailing_id, owner)
    await record(store, owner, claims[:3], Event.ACCEPT)  # at NOW + 20
    await record(store, owner, claims[3:], Event.MISS, due_us=NOW)
    at = NOW + 20
    sent_early, late, unfit, unsure = claims
    await tell(store, said(sent_early, time_us=at - 5 * S), now_us=at + 40 * S)
    await tell(store, said(late, time_us=at + 31 * S), now_us=at + 40 * S)
    await tell(store, said(unfit, U, time_us=at + 31 * S), now_us=at + 40 * S)
    await tell(store, said(unsure, time_us=at), now_us=at + 40 * S)  # only the receipt says when: not known
    stats = await store.mailing_stats(mailing_id)
    assert {row.time_us // S: row.delivered for row in stats.timeline} == {0: 1, 30: 1, 40: 1}
    assert sum(stats.way.values()) == 2
    assert min(stats.way) == 0
    await tell(store, said(late, U, time_us=at + 32 * S), said(unfit, D, time_us=at + 99 * S), now_us=at + 50 * S)
    stats = await store.mailing_stats(mailing_id)
    assert {row.time_us // S: row.delivered for row in stats.timeline} == {0: 1, 30: 1, 40: 1, 50: 1}
    assert await funnel(store, mailing_id) == (4, 3, 1)


async def test_lists_and_exports_of_what_arrived_and_what_did_not(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 6)
    claims = await claim(store, mailing_id, owner, 5)
    await record(store, owner, claims[:4], Event.ACCEPT)
    await record(store, owner, claims[4:], Event.REJECT)
    other = await add_mailing(store)
    await record(store, owner, await claim(store, other, owner, 3), Event.ACCEPT)
    await tell(store, said(claims[0]), said(claims[1], U), said(claims[4], U))
    every = await messages(store)
    said_of = {"delivered": D, "undelivered": U, "none": None}
    for which, word, status in product((None, mailing_id, other), said_of, (None, "sent", "not_sent")):
        query = MessageQuery(mailing_id=which, status=status, delivery=word)
        ids = [
            row.id
            for row in every
            if which in (None, row.mailing_id)
            and row.delivery is said_of[word]
            and (row.status is Status.SENT or word != "none")
            and status in (None, row.status.public)
        ]
        found = await store.list_messages(query, Page(1000))
        assert ([row.id for row in found.items], found.total) == (ids, len(ids))
        assert [row.id async for page in store.export_messages(query, 2) for row in page] == ids
    rejected = MessageQuery(reason=Reason.REJECTED, delivery="undelivered")
    listed = await store.list_messages(rejected, Page())
    assert ([row.id for row in listed.items], listed.total) == ([claims[4].message_id], 1)
    nothing = MessageQuery(reason=Reason.REJECTED, delivery="none")
    assert (await store.list_messages(nothing, Page())).total == 0
    assert [row async for row in store.export_messages(nothing)] == []
