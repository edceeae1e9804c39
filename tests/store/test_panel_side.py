"""What the panel asks for: changes of many clients, breakdowns, the dashboard."""

from __future__ import annotations

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Status
from engine.domain.window import MailingState
from engine.ports import Record
from engine.store import Store, mailing_stats
from engine.store.rows import (
    AuditQuery,
    BatchResult,
    ClientChange,
    ClientQuery,
    Counts,
    GroupCounts,
    Page,
    TimelineRow,
)
from tests.store.world import (
    BY,
    END,
    NOW,
    START,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    messages,
    outcome,
    record,
)

STEP_US = 10_000_000


async def test_many_clients_get_a_tag_and_messages_follow(store: Store) -> None:
    ids = await add_clients(store, 4, "old")
    old_id, new_id = [await add_mailing(store, mailing(AudienceFilter((tag,)))) for tag in ("old", "new")]
    first = await store.update_clients(ids[:3], ClientChange(tag="new"), by=BY, now_us=NOW + 1)
    assert first == BatchResult(tuple(ids[:3]), 0, ())
    assert await counts(store, old_id) == Counts(pending=1)
    assert await counts(store, new_id) == Counts(pending=3)
    again = await store.update_clients([*ids, 404], ClientChange("new", "UTC"), by=BY, now_us=NOW + 2)
    assert again == BatchResult((ids[3],), 3, (404,))
    found = (await store.list_clients(ClientQuery(tag="new"), Page())).items
    assert [row.update_us for row in found] == [NOW + 1, NOW + 1, NOW + 1, NOW + 2]
    zones = await store.update_clients(ids, ClientChange(time_zone="Asia/Omsk"), by=BY, now_us=NOW)
    assert len(zones.changed_ids) == 4
    assert {row.tag for row in (await store.list_clients(ClientQuery(time_zone="Asia/Omsk"), Page())).items} == {"new"}
    events = (await store.list_audit(AuditQuery(object_type="client"), Page())).items
    batch = [event for event in events if event.action == "client.batch_update"]
    assert [event.detail["clients"] for event in batch] == [4, 1, 3]
    assert batch[-1].detail == {"tag": "new", "clients": 3, "first_id": ids[0], "last_id": ids[2]}
    assert batch[-1].object_id is None


async def test_a_change_of_clients_that_are_all_so_or_gone_is_none(store: Store) -> None:
    ids = await add_clients(store, 2, "same")
    before = (await store.list_audit(AuditQuery(), Page())).total
    assert await store.update_clients([*ids, 404], ClientChange(tag="same"), by=BY, now_us=NOW) == BatchResult(
        (), 2, (404,)
    )
    assert await store.delete_clients([404], by=BY, now_us=NOW) == BatchResult((), 0, (404,))
    assert (await store.list_audit(AuditQuery(), Page())).total == before


async def test_many_clients_are_deleted_as_one_is(store: Store) -> None:
    ids = await add_clients(store, 5)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    sent, taken = await claim(store, mailing_id, owner, 2)
    await record(store, owner, [sent], Event.ACCEPT)
    result = await store.delete_clients([404, *ids[:4]], by=BY, now_us=NOW)
    assert (sorted(result.changed_ids), result.unchanged, result.missing_ids) == (ids[:4], 0, (404,))
    assert (await store.list_clients(ClientQuery(), Page())).total == 1
    assert await counts(store, mailing_id) == Counts(pending=2, sent=1)
    assert {(row.id, row.status) for row in await messages(store) if row.client_id is None} == {
        (sent.message_id, Status.SENT),
        (taken.message_id, Status.CLAIMED),
    }
    (event,) = [
        each for each in (await store.list_audit(AuditQuery(), Page())).items if each.action == "client.batch_delete"
    ]
    assert event.detail == {"clients": 4, "first_id": ids[0], "last_id": ids[3]}


async def test_values_of_clients_with_their_numbers(store: Store) -> None:
    rows = [client(1, "a", "916"), client(2, "a", "903", "Asia/Omsk"), client(3, "", "903")]
    await store.import_clients(rows, by=BY, now_us=NOW)
    facets = await store.facets()
    assert facets["tag"] == {"a": 2, "": 1}
    assert (facets["phone_code"], facets["time_zone"]) == ({"903": 2, "916": 1}, {"UTC": 2, "Asia/Omsk": 1})
    assert await store.count_clients() == 3


async def test_a_breakdown_read_in_chunks_is_that_read_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await add_clients(store, 5, "a|b")
    await add_clients(store, 2, "", first=5)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    taken = await claim(store, mailing_id, owner, 3)
    await record(store, owner, taken[:2], Event.ACCEPT)
    await store.delete_client(ids[0], by=BY, now_us=NOW)
    whole = (await store.mailing_stats(mailing_id)).breakdown
    assert whole is not None
    assert whole.by_tag == {"a|b": GroupCounts(3, 1, 0), "": GroupCounts(2, 0, 0), "(deleted)": GroupCounts(0, 1, 0)}
    assert whole.by_phone_code == {"916": GroupCounts(5, 1, 0), "(deleted)": GroupCounts(0, 1, 0)}
    for chunk in (2, 7, 8):
        monkeypatch.setattr(mailing_stats, "_CHUNK", chunk)
        assert await store.mailing_breakdown(mailing_id) == whole
    monkeypatch.setattr(mailing_stats, "_AT_ONCE_MAX", 6)
    assert (await store.mailing_stats(mailing_id)).breakdown is None


async def test_the_dashboard_shows_what_is_open_the_most_urgent_first(store: Store) -> None:
    await add_clients(store, 2)
    late = await add_mailing(store, mailing(end_us=END + 2))
    soon = await add_mailing(store, mailing(end_us=END + 1))
    empty = await add_mailing(store, mailing(AudienceFilter(("nobody",)), end_us=END))
    paused = await add_mailing(store)
    later = await add_mailing(store, mailing(start_us=NOW + 9))
    next_ = await add_mailing(store, mailing(start_us=NOW + 8))
    for other in (await add_mailing(store, mailing(end_us=NOW)), await add_mailing(store)):
        await store.delete_mailing(other, by=BY, now_us=NOW)
    cancelled = await add_mailing(store)
    await store.set_paused(paused, True, by=BY, now_us=START)
    await store.set_cancelled(cancelled, by=BY, now_us=NOW)
    found = await store.overview(NOW, recent_us=0)
    assert [row.id for row in found.mailings] == [soon, late, empty, paused, next_, later]
    assert [row.state(NOW) for row in found.mailings] == [MailingState.ACTIVE] * 3 + [MailingState.PAUSED] + [
        MailingState.SCHEDULED
    ] * 2
    assert found.open == 6
    assert found.counts == Counts(pending=12)
    for _ in range(30):
        await add_mailing(store, mailing(start_us=NOW + 7), build=False)
    many = await store.overview(NOW, recent_us=0)
    assert (len(many.mailings), many.open) == (20, 36)
    assert [row.id for row in many.mailings][:4] == [soon, late, empty, paused]


async def ended_at(store: Store, mailing_id: int, owner: int, event: Event, us: int) -> None:
    """One message's call ends so, then."""
    (taken,) = await claim(store, mailing_id, owner, 1)
    ended: Record = outcome(taken, event, due_us=END)._replace(started_us=us, finished_us=us)
    await store.record([ended], owner=owner, now_us=NOW)


async def test_what_happened_when_in_all_mailings(store: Store) -> None:
    await add_clients(store, 6)
    one, two, owner = await add_mailing(store), await add_mailing(store), await add_engine(store)
    minute = 6 * STEP_US
    for mailing_id, event, us in (
        (one, Event.ACCEPT, minute),
        (two, Event.ACCEPT, minute + STEP_US),
        (two, Event.REJECT, minute * 2 - 1),
        (one, Event.DEFER, minute * 3),
        (one, Event.ACCEPT, minute - 1),
    ):
        await ended_at(store, mailing_id, owner, event, us)
    assert await store.timeline(minute, minute) == (
        TimelineRow(minute, 2, 1, 0),
        TimelineRow(3 * minute, 0, 0, 1),
    )
    assert await store.timeline(0, 2 * minute) == (TimelineRow(0, 3, 1, 0), TimelineRow(2 * minute, 0, 0, 1))
    recent = (await store.overview(NOW, recent_us=minute + STEP_US)).recent
    assert recent == {
        one: (TimelineRow(3 * minute, 0, 0, 1),),
        two: (TimelineRow(minute + STEP_US, 1, 0, 0), TimelineRow(minute * 2 - STEP_US, 0, 1, 0)),
    }


async def test_engines_that_fell_silent(store: Store) -> None:
    lost = await store.register_engine("host:1", 4, 100, 0)
    await store.register_engine("host:2", 4, 200, 0)
    stopped = await store.register_engine("host:3", 4, 100, 0)
    await store.retire_engine(stopped)
    assert [row.engine_id for row in await store.silent_engines(100, 200)] == [lost]
    assert await store.silent_engines(101, 200) == ()
