"""What a mailing's messages came to at each provider, and which wait for one that is in the file no more."""

from __future__ import annotations

import pytest

from engine.domain.cost import Quote
from engine.domain.message import Event, Reason
from engine.domain.receipt import Delivery, Receipt
from engine.domain.routing import Route
from engine.store import Store, breakdowns
from engine.store.rows import ProviderCounts
from tests.store.world import BY, LEASE, NOW, a_mailing_with, claim, messages, outcome

pytestmark = pytest.mark.usefixtures("url")
PRICED = Quote(30)
A, B = Route(1), Route(2)


@pytest.fixture(autouse=True)
async def _two(store: Store) -> None:
    assert await store.provider_ids(["fbrq", "b"]) == {"fbrq": 1, "b": 2}


async def call(store: Store, mailing_id: int, owner: int, route: Route, *events: Event, cost: int = 10) -> list[int]:
    """Let a provider have as many messages as there are events, and its calls end so; returns the messages' ids."""
    taken = await store.claim(
        mailing_id, len(events), owner=owner, now_us=NOW, lease_until_us=LEASE, route=route, quote=PRICED
    )
    assert len(taken) == len(events)
    records = [outcome(each, event, due_us=NOW + 1, cost=cost) for each, event in zip(taken, events, strict=True)]
    assert await store.record(records, owner=owner, now_us=NOW) == len(taken)
    return [each.message_id for each in taken]


async def test_each_provider_has_what_it_was_called_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mailing_id, owner = await a_mailing_with(store, 9)
    arrived, lost, _, _ = await call(store, mailing_id, owner, A, *[Event.ACCEPT] * 3, Event.REJECT)
    taken_by_b, unknown, free = await call(store, mailing_id, owner, B, Event.ACCEPT, Event.MISS, Event.DEFER, cost=20)
    receipts = [
        Receipt(Delivery.DELIVERED, NOW, arrived),
        Receipt(Delivery.UNDELIVERED, NOW, lost),
        Receipt(Delivery.DELIVERED, NOW, taken_by_b),
    ]
    await store.record_receipts(receipts, now_us=NOW)
    whole = (await store.mailing_stats(mailing_id)).breakdown
    assert whole is not None
    # Two were never called: they are nobody's. The free one is the last provider's that was called.
    assert whole.by_provider == {
        "fbrq": ProviderCounts(sent=3, not_sent=1, delivered=1, undelivered=1, cost=30),
        "b": ProviderCounts(pending=2, sent=1, delivered=1, cost=40),
    }
    assert list(whole.by_provider) == ["fbrq", "b"]
    assert sum(each.cost for each in whole.by_provider.values()) == (await store.get_mailing(mailing_id)).cost
    found = {row.id: row.provider for row in await messages(store, mailing_id)}
    assert (found[unknown], found[free]) == ("b", "b")
    for chunk in (2, 7):
        monkeypatch.setattr(breakdowns, "CHUNK", chunk)
        assert await store.mailing_breakdown(mailing_id) == whole


async def test_what_is_reserved_is_the_providers_that_has_it(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    await claim(store, mailing_id, owner, 1, quote=PRICED)
    whole = (await store.mailing_stats(mailing_id)).breakdown
    assert whole is not None
    assert whole.by_provider == {"fbrq": ProviderCounts(pending=1, cost=30)}


async def test_what_may_have_reached_a_provider_waits_for_it_alone(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 6)
    unknown, _ = await call(store, mailing_id, owner, B, Event.MISS, Event.DEFER)
    await call(store, mailing_id, owner, A, Event.MISS, Event.ACCEPT)
    assert await store.waiting_for_others(["fbrq", "b"]) == {}
    assert await store.waiting_for_others(["fbrq"]) == {"b": 1}
    assert await store.waiting_for_others(["c"]) == {"b": 1, "fbrq": 1}
    # A receipt of the provider that is gone is evidence all the same.
    await store.record_receipts([Receipt(Delivery.DELIVERED, NOW, unknown)], now_us=NOW)
    assert await store.waiting_for_others(["fbrq"]) == {}
    # The end of the mailing is the other way out.
    assert await store.waiting_for_others(["b"]) == {"fbrq": 1}
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    await store.cancel_pending(mailing_id, 100, NOW)
    assert await store.waiting_for_others(["b"]) == {}
    reasons = sorted(str(row.reason) for row in await messages(store, mailing_id) if row.reason is not None)
    assert reasons.count(str(Reason.UNCERTAIN)) == 1
