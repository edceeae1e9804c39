"""What a forecast asks the database for, on each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.routing import Ranges
from engine.domain.template import template_of
from engine.store import Store, mailing_stats
from tests.store.world import (
    BY,
    END,
    NOW,
    START,
    add_engine,
    add_mailing,
    audience_size,
    claim,
    client,
    mailing,
    record,
    release,
    suppress,
)

ZONES = ("UTC", "Asia/Omsk", "Europe/Moscow")


async def people(store: Store, number: int) -> None:
    rows = [client(i, tag="ab"[i % 2], time_zone=ZONES[i % 3]) for i in range(number)]
    await store.import_clients(rows, by=BY, now_us=NOW)


async def test_pending_messages_by_zone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing_stats, "CHUNK", 4)  # so that it takes several reads
    await people(store, 30)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    assert (await store.pending_by_zone(mailing_id)).by_zone == dict.fromkeys(ZONES, 10)
    claims = await claim(store, mailing_id, owner, limit=12)
    assert (await store.pending_by_zone(mailing_id)).by_zone == dict.fromkeys(ZONES, 10)  # taken, and not final
    await record(store, owner, claims[:6], Event.ACCEPT)
    await record(store, owner, claims[6:9], Event.DEFER, due_us=NOW + 500)
    await release(store, owner, claims[9:], due_us=NOW + 500)  # all with the same time: ids tell them apart
    assert (await store.pending_by_zone(mailing_id)).by_zone == dict.fromkeys(ZONES, 8)


async def test_an_audience_by_zone_without_whom_a_mailing_is_done_with(store: Store) -> None:
    await people(store, 30)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    everybody, some = AudienceFilter(), AudienceFilter(("a",))
    assert (await store.audience_by_zone(everybody)).by_zone == dict.fromkeys(ZONES, 10)
    assert (await store.audience_by_zone(everybody, unsent_of=mailing_id)).by_zone == dict.fromkeys(ZONES, 10)
    claims = await claim(store, mailing_id, owner, limit=12)
    await record(store, owner, claims[:6], Event.ACCEPT)
    await record(store, owner, claims[6:9], Event.REJECT)
    await record(store, owner, claims[9:], Event.DEFER, due_us=NOW)
    assert (await store.audience_by_zone(everybody, unsent_of=mailing_id)).by_zone == dict.fromkeys(ZONES, 7)
    assert (await store.audience_by_zone(everybody, by_zone=False, unsent_of=mailing_id)).by_zone == {"UTC": 21}
    assert (await store.audience_by_zone(some, by_zone=False, unsent_of=mailing_id)).by_zone == {"UTC": 10}
    assert await audience_size(store, some) == 15


def numbers(first: int, last: int) -> Ranges:
    """Of the clients from ``first`` to ``last``."""
    return ((client(first).phone_number, client(last).phone_number),)


async def test_an_audience_by_parts_of_the_numbers(store: Store) -> None:
    await people(store, 12)
    for number in (1, 11):
        await suppress(store, number)
    everybody, some, parts = AudienceFilter(), AudienceFilter(("a",)), (numbers(0, 4), numbers(5, 8))
    assert (await store.audience_by_zone(everybody, by_zone=False, parts=parts)).by_part(2) == (4, 4, 2)
    assert (await store.audience_by_zone(some, by_zone=False, parts=parts)).by_part(2) == (3, 2, 1)
    found = await store.audience_by_zone(everybody, parts=parts)
    assert (found.by_part(2), found.by_zone, found.suppressed) == (
        (4, 4, 2),
        {"UTC": 4, "Asia/Omsk": 3, "Europe/Moscow": 3},
        2,
    )
    assert (await store.audience_by_zone(everybody, parts=())).by_part(0) == (10,)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    assert (await store.pending_by_zone(mailing_id, parts)).by_part(2) == (4, 4, 2)
    assert await store.waiting_by_part(mailing_id, parts, 100) == (4, 4, 2)
    await claim(store, mailing_id, owner, limit=4)
    assert (await store.pending_by_zone(mailing_id, parts)).by_part(2) == (4, 4, 2)  # taken, and not final
    assert sum(await store.waiting_by_part(mailing_id, parts, 100)) == 6
    assert sum(await store.waiting_by_part(mailing_id, parts, 5)) == 5
    assert await store.waiting_by_part(mailing_id, (), 100) == (6,)


@pytest.mark.parametrize("text", ["hello", "to {{phone_number}}"])
async def test_people_are_looked_at_who_have_certain_numbers(store: Store, text: str) -> None:
    await people(store, 12)
    found = await store.audience_sample(AudienceFilter(), template_of(text), limit=10, ranges=numbers(5, 8))
    assert [person.phone_number for _, person in found.people] == [client(n).phone_number for n in (5, 6, 7, 8)]


async def test_the_few_who_lack_nothing_are_looked_at_before_all_others(store: Store) -> None:
    rows = [replace(client(i), attributes='{"name":"Anna"}' if i in (3, 7) else "{}") for i in range(12)]
    await store.import_clients(rows, by=BY, now_us=NOW)
    found = await store.audience_sample(AudienceFilter(), template_of("{{name}}"), limit=5)
    assert (found.clients, found.lacking) == (12, 10)
    assert [person.phone_number for _, person in found.people] == [client(n).phone_number for n in (3, 7)]


async def test_who_shares_the_workers(store: Store) -> None:
    await people(store, 4)
    sending, later = await add_mailing(store), await add_mailing(store, mailing(start_us=NOW + 1))
    paused, over = await add_mailing(store), await add_mailing(store, mailing(end_us=NOW))
    await store.set_paused(paused, True, by=BY, now_us=NOW)
    await store.delete_mailing(await add_mailing(store), by=BY, now_us=NOW)
    owner = await add_engine(store)
    await record(store, owner, await claim(store, sending, owner, limit=1), Event.ACCEPT)
    rows, recent = await store.sharing(NOW, recent_us=START)
    assert [row.id for row in rows] == [sending, later]
    assert [step.sent for step in recent[sending]] == [1]
    assert over not in recent
    rows, _ = await store.sharing(END, recent_us=START)
    assert rows == ()
