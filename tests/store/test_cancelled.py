"""A cancel is true at its commit: whatever is read before the rows have followed is what is read afterwards."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter, MessageCondition
from engine.domain.message import Event, Reason, Status
from engine.domain.receipt import Delivery, Receipt
from engine.domain.suppression import SuppressionInput, SuppressionReason
from engine.domain.validate import ClientInput
from engine.ports import Claim
from engine.store import Store
from engine.store.client_rows import ClientRow
from engine.store.rows import Counts, MessageQuery, Page
from tests.store.world import (
    BY,
    LONG_AGO,
    NOW,
    a_mailing_with,
    audience_size,
    claim,
    client,
    counts,
    mailing,
    messages,
    record,
    release,
)

CANCEL = NOW + 100
CLIENTS = 9


async def cancelled(store: Store) -> tuple[int, int, list[Claim]]:
    """A cancelled mailing, its engine, and the two messages that the engine has still. The others have had
    other fates: sent, rejected, put off, unknown, never tried."""
    mailing_id, owner = await a_mailing_with(store, CLIENTS)
    sent, rejected, deferred, missed, *held = await claim(store, mailing_id, owner, 6)
    await record(store, owner, [sent], Event.ACCEPT)
    await record(store, owner, [rejected], Event.REJECT)
    await record(store, owner, [deferred], Event.DEFER, due_us=NOW + 50)
    await record(store, owner, [missed], Event.MISS, due_us=NOW + 50)
    await store.set_cancelled(mailing_id, by=BY, now_us=CANCEL)
    return mailing_id, owner, held


async def sweep(store: Store, mailing_id: int) -> int:
    """Let the rows follow; returns how many did."""
    swept = 0
    while number := await store.cancel_pending(mailing_id, 2, CANCEL + 1_000):
        swept += number
    return swept


def those(mailing_id: int, statuses: tuple[str, ...], reasons: tuple[str, ...] = ()) -> AudienceFilter:
    """Clients whose message is so."""
    return AudienceFilter(messages=MessageCondition(mailing_id, statuses, reasons))


async def everything(store: Store, mailing_id: int) -> dict[str, Any]:
    """All that can be read of the mailing, and of its messages."""
    read: dict[str, Any] = {
        "mailing": await store.get_mailing(mailing_id),
        "list": await store.list_mailings(None, Page(10), now_us=CANCEL),
        "stats": await store.mailing_stats(mailing_id),
        "breakdown": await store.mailing_breakdown(mailing_id),
        "overview": (await store.overview(CANCEL, recent_us=0)).counts,
    }
    reasons = (None, Reason.CANCELLED, Reason.UNCERTAIN, Reason.REJECTED)
    for status, reason, which in product((None, "pending", "sent", "not_sent"), reasons, (None, mailing_id)):
        query = MessageQuery(mailing_id=which, status=status, reason=reason)
        read[f"messages {query}"] = await store.list_messages(query, Page(4, None, 1))
        read[f"export {query}"] = [page async for page in store.export_messages(query, 3)]
    for row in await messages(store, mailing_id):
        read[f"message {row.id}"] = await store.get_message(row.id)
        read[f"client {row.id}"] = await store.list_messages(MessageQuery(client_id=row.client_id), Page(10))
    words = ((), ("cancelled",), ("uncertain",), ("cancelled", "rejected", "uncertain"))
    for statuses, named in product(((), ("pending",), ("not_sent",), ("sent", "not_sent")), words):
        read[f"audience {statuses} {named}"] = await audience_size(store, those(mailing_id, statuses, named))
    return read


async def test_what_is_read_is_the_same_before_and_after_the_rows_have_followed(store: Store) -> None:
    mailing_id, owner, held = await cancelled(store)
    before = await everything(store, mailing_id)
    assert before["mailing"].counts == Counts(pending=2, sent=1, rejected=1, cancelled=4, uncertain=1)
    assert await sweep(store, mailing_id) == 5
    assert await everything(store, mailing_id) == before

    await release(store, owner, held[:1])
    await record(store, owner, held[1:], Event.MISS)
    before = await everything(store, mailing_id)
    assert before["mailing"].counts == Counts(pending=0, sent=1, rejected=1, cancelled=5, uncertain=2)
    assert await sweep(store, mailing_id) == 2
    assert await everything(store, mailing_id) == before
    assert await counts(store, mailing_id) == before["mailing"].counts


async def test_it_ended_with_the_cancel_or_with_a_call_that_was_under_way(store: Store) -> None:
    mailing_id, owner, held = await cancelled(store)
    late = [_put_off(one) for one in held]
    await store.record(late, owner=owner, now_us=CANCEL)
    ends = {row.id: row.final_us for row in await messages(store, mailing_id) if row.reason is Reason.CANCELLED}
    called = {one.message_id for one in held}
    assert {ends[id] for id in called} == {CANCEL + 20}
    assert {at_us for id, at_us in ends.items() if id not in called} == {CANCEL}


def _put_off(taken: Claim) -> Any:
    """A call that was put off after the cancel."""
    return taken.ended(Event.DEFER, CANCEL + 10, CANCEL + 20, 503, "later", CANCEL + 50, 1)


async def unsure_one(store: Store, mailing_id: int) -> int:
    """The id of the message whose call had an unknown outcome."""
    (one,) = [row for row in await messages(store, mailing_id) if row.reason is Reason.UNCERTAIN]
    return one.id


async def test_a_receipt_comes_too_late_for_what_has_ended(store: Store) -> None:
    """It is shown, and not counted; as it is once the row has followed."""
    mailing_id, _, _ = await cancelled(store)
    id = await unsure_one(store, mailing_id)
    before = (await store.get_mailing(mailing_id)).counts
    await store.record_receipts([Receipt(Delivery.DELIVERED, CANCEL, id)], now_us=CANCEL + 5)
    message, _ = await store.get_message(id)
    assert (message.status, message.reason, message.final_us) == (Status.NOT_SENT, Reason.UNCERTAIN, CANCEL)
    assert await counts(store, mailing_id) == before


async def test_a_client_that_goes_leaves_what_has_ended(store: Store) -> None:
    mailing_id, _, held = await cancelled(store)
    before = await store.get_mailing(mailing_id)
    for row in await messages(store, mailing_id):
        if row.client_id is not None and row.id not in {one.message_id for one in held}:
            await store.delete_client(row.client_id, by=BY, now_us=CANCEL + 5)
    assert await counts(store, mailing_id) == before.counts
    assert await sweep(store, mailing_id) == 0


async def test_a_number_on_the_stop_list_changes_nothing_of_what_has_ended(store: Store) -> None:
    mailing_id, _, held = await cancelled(store)
    before = await _what_has_ended(store, mailing_id)
    for row in await messages(store, mailing_id):
        if row.client_id is not None and row.id not in {one.message_id for one in held}:
            entry = SuppressionInput((await store.get_client(row.client_id)).phone_number, SuppressionReason.MANUAL)
            await store.add_suppression(entry, by=BY, now_us=CANCEL + 5)
    assert await _what_has_ended(store, mailing_id) == before
    await sweep(store, mailing_id)
    assert await _what_has_ended(store, mailing_id) == before


async def _what_has_ended(store: Store, mailing_id: int) -> dict[str, Any]:
    """All that is read, but for who would get a new mailing."""
    return {name: read for name, read in (await everything(store, mailing_id)).items() if "audience" not in name}


def _retagged(old: ClientRow) -> ClientInput:
    return client(old.phone_number % 10_000, "other")


async def test_a_client_that_changes_counts_where_it_was(store: Store) -> None:
    mailing_id, _, held = await cancelled(store)
    before = await store.mailing_breakdown(mailing_id)
    for row in await messages(store, mailing_id):
        if row.client_id is not None and row.id not in {one.message_id for one in held}:
            await store.update_client(row.client_id, _retagged, by=BY, now_us=CANCEL + 5)
    assert await store.mailing_breakdown(mailing_id) == before
    assert await sweep(store, mailing_id) == 5
    assert await store.mailing_breakdown(mailing_id) == before


@pytest.mark.parametrize(("reasons", "expected"), [(("cancelled",), 4), (("uncertain",), 1), ((), 6)])
@pytest.mark.parametrize("swept", [True, False])
async def test_an_audience_of_those_who_did_not_get_it(
    store: Store, reasons: tuple[str, ...], expected: int, swept: bool
) -> None:
    mailing_id, _, _ = await cancelled(store)
    if swept:
        await sweep(store, mailing_id)
    wanted = mailing(those(mailing_id, ("not_sent",), reasons))
    made = (await store.create_mailing(wanted, by=BY, now_us=CANCEL + 1)).row.id
    while not await store.build_audience(made, 3, CANCEL + 1, LONG_AGO):
        pass
    assert (await counts(store, made)).pending == expected
