"""engine/store/overview.py: what the dashboard asks for."""

from __future__ import annotations

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.window import MailingState
from engine.ports import Record
from engine.store import Store
from engine.store.rows import (
    Counts,
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
    mailing,
    outcome,
    record,
)

STEP_US = 10_000_000


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
    assert found.counts == Counts(pending=10, cancelled=2)
    for _ in range(30):
        await add_mailing(store, mailing(start_us=NOW + 7), build=False)
    many = await store.overview(NOW, recent_us=0)
    assert (len(many.mailings), many.open) == (20, 36)
    assert [row.id for row in many.mailings][:4] == [soon, late, empty, paused]


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


async def ended_at(store: Store, mailing_id: int, owner: int, event: Event, us: int) -> None:
    """One message's call ends so, then."""
    (taken,) = await claim(store, mailing_id, owner, 1)
    ended: Record = outcome(taken, event, due_us=END)._replace(started_us=us, finished_us=us)
    await store.record([ended], owner=owner, now_us=NOW)


async def test_deleting_a_mailing_does_not_undo_what_was_sent(store: Store) -> None:
    await add_clients(store, 3)
    owner = await add_engine(store)
    for accepted in (1, 2):
        mailing_id = await add_mailing(store)
        await record(store, owner, (await claim(store, mailing_id, owner, 3))[:accepted], Event.ACCEPT)
        before = await store.timeline(0, STEP_US)
        await store.delete_mailing(mailing_id, by=BY, now_us=START + 1)
        while not await store.purge(mailing_id, 10):
            pass
        assert await store.timeline(0, STEP_US) == before
    assert sum(step.sent for step in await store.timeline(0, STEP_US)) == 3
    late = await add_mailing(store)
    await store.delete_mailing(late, by=BY, now_us=START + 3 * 86_400_000_000)
    while not await store.purge(late, 10):
        pass
    assert await store.timeline(0, STEP_US) == (), "nobody asks for more than a day"
