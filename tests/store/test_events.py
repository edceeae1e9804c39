"""Events: written in the transaction that makes them true, each once, in an order that readers can rely on."""

from __future__ import annotations

import asyncio
from collections import Counter
from importlib import import_module
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.events import OF_MESSAGES, EventKind
from engine.domain.forecast import Forecast
from engine.domain.message import Event, Status
from engine.domain.receipt import Delivery, Receipt
from engine.domain.suppression import SuppressionReason
from engine.store import Store
from engine.store.database import Tx
from engine.store.event_rows import EventQuery, EventRow
from engine.store.rows import Page
from tests.store.conftest import Opener
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    START,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    counts,
    mailing,
    messages,
    record,
    release,
    stop,
    suppress,
)

RISK = Forecast(None, 7, 1.23456)


async def happen(store: Store, now_us: int = NOW) -> list[EventRow]:
    """Do what the herald does, and read all events."""
    view = await store.event_view(now_us)
    await store.announce(view.mailing_ids, now_us)
    while await store.publish(now_us):
        pass
    assert (await store.event_view(now_us)).has_outbox is False
    return list((await store.list_events(EventQuery(), Page(1000))).items)


async def kinds(store: Store, now_us: int = NOW) -> list[str]:
    return [event.kind.value for event in await happen(store, now_us)]


async def test_a_mailing_is_told_from_its_start_to_its_end(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    assert await kinds(store, START - 1) == []
    assert await kinds(store, START) == ["mailing.started"]
    await record(store, owner, await claim(store, mailing_id, owner), Event.ACCEPT)
    assert await kinds(store) == ["mailing.started", "mailing.finished"]
    await add_clients(store, 1, first=9)
    assert len(await kinds(store)) == 2
    await record(store, owner, await claim(store, mailing_id, owner), Event.REJECT)
    found = await happen(store)
    assert [event.kind.value for event in found] == ["mailing.started", "mailing.finished", "mailing.finished"]
    assert found[2].data["message_counts"] == {"pending": 0, "sent": 2, "not_sent": 1, "total": 3}
    assert found[2].data["reasons"]["rejected"] == 1
    assert (await kinds(store, END))[3:] == ["mailing.ended"]
    assert len(await kinds(store, 2 * END)) == 4
    ids = [event.id for event in await happen(store)]
    assert ids == sorted(set(ids))


async def test_an_end_tells_final_counts(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)
    assert await kinds(store, END) == ["mailing.started"]
    await store.expire(mailing_id, 2, END)
    assert await kinds(store, END) == ["mailing.started"]
    await store.expire(mailing_id, 2, END)
    ended = (await happen(store, END))[-1]
    assert (ended.kind, ended.data["state"]) == (EventKind.MAILING_ENDED, "ended")
    assert ended.data["message_counts"] == {"pending": 0, "sent": 0, "not_sent": 3, "total": 3}


@pytest.mark.parametrize("now_us", [START - 1, NOW])
async def test_a_cancelled_mailing_has_ended_when_its_last_message_is_final(store: Store, now_us: int) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    before = await kinds(store, now_us)
    await store.set_cancelled(mailing_id, by=BY, now_us=now_us)
    assert await kinds(store, now_us) == before
    await store.cancel_pending(mailing_id, 10, now_us)
    assert await kinds(store, now_us) == [*before, "mailing.ended"]


async def test_a_deleted_mailing_has_ended_at_once_and_only_once(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    (ended,) = await happen(store)
    assert (ended.kind, ended.data["state"]) == (EventKind.MAILING_ENDED, "deleted")
    other = await add_mailing(store)
    await store.set_cancelled(other, by=BY, now_us=NOW)
    await store.cancel_pending(other, 10, NOW)
    assert len(await happen(store)) == 2
    await store.delete_mailing(other, by=BY, now_us=NOW)
    assert len(await happen(store)) == 2


async def test_risk_is_told_when_it_comes_and_when_it_comes_again(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    assert [(row.id, told) for row, told in await store.risky_mailings(NOW, 10)] == [(mailing_id, False)]
    for forecast in (None, RISK, RISK):
        await store.announce_risk(mailing_id, forecast, NOW)
    assert [told for _, told in await store.risky_mailings(NOW, 10)] == [True]
    for forecast in (None, None, RISK):
        await store.announce_risk(mailing_id, forecast, NOW)
    found = [event for event in await happen(store) if event.kind is EventKind.MAILING_AT_RISK]
    assert [event.data["forecast"] for event in found] == [
        {"completion_time": None, "missed": 7, "rate_per_second": 1.235}
    ] * 2
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    await store.announce_risk(mailing_id, None, NOW)
    assert await store.risky_mailings(NOW, 10) == []


# -- providers ------------------------------------------------------------------------------------------


async def note(
    store: Store, is_down: bool, *, has_answered: bool = True, name: str = "fbrq", now_us: int = NOW
) -> None:
    await store.note_provider(name, is_down=is_down, has_answered=has_answered, detail="503", now_us=now_us)


async def test_a_provider_is_down_from_the_first_engine_to_the_last(store: Store) -> None:
    first, second = [await add_engine(store) for _ in range(2)]

    async def said(engine_id: int, is_down: bool, **more: Any) -> list[str]:
        store.engine_id = engine_id
        await note(store, is_down, **more)
        return await kinds(store)

    assert await said(first, False) == []
    assert await said(first, True) == ["provider.down"]
    assert (await store.event_view(NOW)).down == {"fbrq": (True, True)}
    assert await said(second, True) == ["provider.down"]
    assert await said(first, False) == ["provider.down"]
    assert await said(second, False, has_answered=False) == ["provider.down"]
    assert (await store.event_view(NOW)).down == {"fbrq": (False, False)}
    assert await said(first, False, now_us=NOW + 1) == ["provider.down", "provider.up"]
    assert (await store.event_view(NOW)).down == {}
    up = (await happen(store))[-1]
    assert up.data == {"provider": "fbrq", "down_time": "1970-01-01T00:00:00.002000Z"}
    assert await said(first, True, name="unknown") == ["provider.down", "provider.up"]


@pytest.mark.parametrize("how", ["retired", "silent"])
async def test_what_an_engine_said_that_is_no_more_counts_for_nothing(store: Store, how: str) -> None:
    later = NOW + 31_000_000
    dead = await add_engine(store)
    await note(store, True)
    if how == "retired":
        await store.retire_engine(dead)
    store.engine_id = dead + 1
    assert (await store.event_view(later)).down == {"fbrq": (False, False)}
    await note(store, False, has_answered=False, now_us=later)
    assert await kinds(store) == ["provider.down"]
    await note(store, False, now_us=later)
    assert await kinds(store) == ["provider.down", "provider.up"]


# -- opt-outs -------------------------------------------------------------------------------------------


async def test_an_opt_out_is_told_with_its_number_while_that_is_on_the_list(store: Store) -> None:
    client_ids = await add_clients(store, 3)
    await store.add_suppression(stop(0, SuppressionReason.OPT_OUT), by=BY, now_us=NOW)
    await store.add_suppression(stop(0, SuppressionReason.OPT_OUT), by=BY, now_us=NOW)
    await suppress(store, 1)
    await store.import_suppressions([stop(2, SuppressionReason.OPT_OUT)], by=BY, now_us=NOW)
    (told,) = await happen(store)
    assert told.kind is EventKind.CLIENT_OPTED_OUT
    assert told.data == {"phone_number": "79160000000", "client_ids": client_ids[:1], "source": "api"}
    await store.delete_suppression(79_160_000_000, by=BY, now_us=NOW)
    (told,) = await happen(store)
    assert told.data["phone_number"] is None
    assert "9160000000" not in str(await store._db.read(lambda tx: tx.rows("SELECT data FROM event")))


# -- messages -------------------------------------------------------------------------------------------


async def told_of_messages(store: Store) -> Counter[tuple[str, str | None]]:
    """How often what was told of messages."""
    found = [event for event in await happen(store) if event.kind.is_of_messages]
    return Counter((event.kind.value, each.get("reason")) for event in found for each in event.data["messages"])


async def test_nothing_is_written_of_messages_unless_somebody_wants_it(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    await record(store, owner, await claim(store, mailing_id, owner, 2), Event.ACCEPT)
    store.wanted = frozenset({EventKind.MESSAGES_DELIVERED})
    await record(store, owner, await claim(store, mailing_id, owner, 2), Event.REJECT)
    assert await told_of_messages(store) == {}


async def _everything(store: Store) -> int:
    """Messages come to every end that there is, by every way."""
    store.wanted = OF_MESSAGES
    mailing_id, owner = await a_mailing_with(store, 16)
    taken = await claim(store, mailing_id, owner, 14)
    await record(store, owner, taken[:2], Event.ACCEPT)
    await record(store, owner, taken[2:3], Event.REJECT)
    await record(store, owner, taken[3:6], Event.MISS, due_us=NOW)
    early = Receipt(Delivery.UNDELIVERED, NOW, taken[6].message_id)
    ids = [each.message_id for each in taken]
    said = [Receipt(Delivery.DELIVERED, NOW, id) for id in (ids[0], ids[1], ids[3])]
    await store.record_receipts([*said, early], now_us=NOW)
    await store.record_receipts([Receipt(Delivery.UNDELIVERED, NOW + 1, ids[0]), said[1]], now_us=NOW)
    await record(store, owner, taken[6:8], Event.ACCEPT)
    await release(store, owner, taken[8:10])
    await suppress(store, 9)
    await suppress(store, 10)
    await release(store, owner, taken[10:11])
    await store.recover(LEASE, 2, expired_only=True)
    await store.expire(mailing_id, 5, END)
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    await store.cancel_pending(mailing_id, 100, NOW)
    await store.recover(LEASE, 100, expired_only=True)
    await store.cancel_pending(mailing_id, 100, NOW)
    return mailing_id


async def test_each_end_of_a_message_is_told_once_whatever_brought_it(store: Store) -> None:
    mailing_id = await _everything(store)
    told, final = await told_of_messages(store), await counts(store, mailing_id)
    assert final.pending == 0
    assert told["messages.sent", None] == final.sent > 3
    by_reason = {reason: number for (kind, reason), number in told.items() if kind == "messages.not_sent"}
    assert by_reason == {reason: number for reason, number in final.by_reason().items() if number}
    assert {"rejected", "cancelled", "suppressed", "uncertain", "expired"} <= by_reason.keys()
    assert (told["messages.delivered", None], told["messages.undelivered", None]) == (3, 2)
    ended = [
        (each["id"], event.kind)
        for event in await happen(store)
        if event.kind.is_of_messages
        for each in event.data["messages"]
    ]
    for row in await messages(store, mailing_id):
        kinds = [kind for id, kind in ended if id == row.id]
        assert kinds[0] is (EventKind.MESSAGES_SENT if row.status is Status.SENT else EventKind.MESSAGES_NOT_SENT)


async def test_clients_that_a_new_filter_leaves_out_are_told_too(store: Store) -> None:
    """A message that may have reached its provider ends; others are removed."""
    store.wanted = OF_MESSAGES
    mailing_id, owner = await a_mailing_with(store, 2)
    await record(store, owner, await claim(store, mailing_id, owner, 1), Event.MISS, due_us=NOW)
    nobody = mailing(AudienceFilter(tags=("nobody",)))
    await store.update_mailing(mailing_id, lambda row: nobody, by=BY, now_us=NOW)
    while not await store.build_audience(mailing_id, 1000, NOW, LONG_AGO):
        pass
    assert await told_of_messages(store) == {("messages.not_sent", "uncertain"): 1}


async def test_a_start_is_told_before_messages_that_were_quicker(store: Store) -> None:
    store.wanted = OF_MESSAGES
    mailing_id, owner = await a_mailing_with(store, 1)
    await record(store, owner, await claim(store, mailing_id, owner), Event.ACCEPT)
    await store.publish(NOW)
    assert await kinds(store) == ["mailing.started", "messages.sent", "mailing.finished"]


# -- order, reading, forgetting ---------------------------------------------------------------------------


async def test_events_are_read_from_any_place_on(store: Store) -> None:
    for _ in range(3):
        await a_mailing_with(store, 0)
    found = await happen(store)
    assert len(found) == 6
    page = await store.list_events(EventQuery(after=found[1].id), Page(2))
    assert ([event.id for event in page.items], page.total) == ([found[2].id, found[3].id], 4)
    page = await store.list_events(EventQuery(after=found[1].id), Page(2, page.next_after))
    assert ([event.id for event in page.items], page.next_after) == ([found[4].id, found[5].id], None)
    only = await store.list_events(EventQuery(kind=EventKind.MAILING_FINISHED), Page(9))
    assert only.total == 3


async def test_ids_are_given_in_the_order_in_which_events_can_be_seen(
    kind: str, store: Store, open_store: Opener
) -> None:
    """Engines that publish at the same time, beside transactions that commit in any order."""
    stores = [store, await open_store() if kind == "postgres" else store]
    seen: list[int] = []

    async def make(number: int) -> None:
        await stores[number % 2].add_suppression(stop(number, SuppressionReason.OPT_OUT), by=BY, now_us=NOW)

    async def publish_all(which: Store) -> None:
        for _ in range(10):
            await which.publish(NOW)
            await asyncio.sleep(0)

    async def follow() -> None:
        for _ in range(20):
            after = seen[-1] if seen else None
            page = await store.list_events(EventQuery(after=after), Page(1000))
            seen.extend(event.id for event in page.items)
            await asyncio.sleep(0)

    await asyncio.gather(*map(make, range(30)), *map(publish_all, stores), follow())
    found = await happen(store)
    await follow()
    assert len(found) == 30
    assert seen == [event.id for event in found]


async def test_old_events_are_forgotten_and_ids_are_not_used_again(store: Store) -> None:
    await a_mailing_with(store, 0)
    before = await happen(store)
    assert await store.forget_events(NOW, 10) == 0
    assert await store.forget_events(NOW + 1, 1) == 1
    assert await store.forget_events(NOW + 1, 10) == 1
    await add_mailing(store)
    after = await happen(store)
    assert min(event.id for event in after) > max(event.id for event in before)


async def test_down_and_up_again_with_rows(store: Store) -> None:
    """Of mailings from before nobody is told that they start, nor that those end which have ended."""
    module = import_module("engine.store.migrations.store.12_20261130040000_events")
    open_id, owner = await a_mailing_with(store, 1)
    done_id = await add_mailing(store, mailing(end_us=NOW + 5))
    later_id = await add_mailing(store, mailing(start_us=NOW + 50))
    await store.set_cancelled(await add_mailing(store, mailing()), by=BY, now_us=NOW)
    await store.heartbeat(owner, NOW + 10, 0, seen_revision=0, workers=1, in_flight=0, own_us=NOW + 10)

    async def work(tx: Tx) -> None:
        await tx.run("UPDATE control SET clock_us = ?", NOW + 10)
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        await tx.orm.execute_script(await module.upgrade(tx.orm))

    await store._db.transaction(work)
    for mailing_id in (done_id, later_id):
        await store.expire(mailing_id, 10, NOW + 10)
    assert await kinds(store, NOW + 20) == []
    await record(store, owner, await claim(store, open_id, owner), Event.ACCEPT)
    told = await happen(store, NOW + 60)
    assert [(event.kind.value, event.data["mailing_id"]) for event in told] == [
        ("mailing.finished", open_id),
        ("mailing.started", later_id),
    ]
