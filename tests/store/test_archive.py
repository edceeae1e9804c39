"""Mailings in the archive: out of the lists, and nothing else about them is another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.domain.access import Impossible
from engine.domain.errors import NotFound
from engine.domain.message import Event
from engine.domain.window import MailingState
from engine.store import Store
from engine.store.database import Tx
from engine.store.rows import AuditQuery, Counts, MailingRow, MessageQuery, Page
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    mailing,
    outcome,
)


async def archive(store: Store, mailing_id: int, now_us: int = NOW) -> MailingRow:
    return (await store.set_archived(mailing_id, True, by=BY, now_us=now_us)).row


async def take_out(store: Store, mailing_id: int, now_us: int = NOW) -> MailingRow:
    return (await store.set_archived(mailing_id, False, by=BY, now_us=now_us)).row


async def listed(store: Store, state: MailingState | None = None, *, search: str = "", archived: bool) -> list[int]:
    page = await store.list_mailings(state, Page(), now_us=NOW, search=search, archived=archived)
    assert page.total == len(page.items)
    return [row.id for row in page.items]


async def in_state(store: Store, state: MailingState) -> int:
    """A mailing that is so at ``NOW``."""
    start_us = NOW + 1 if state is MailingState.SCHEDULED else NOW
    end_us = NOW if state is MailingState.ENDED else END
    mailing_id = await add_mailing(store, mailing(start_us=min(start_us, end_us - 1), end_us=end_us))
    if state is MailingState.PAUSED:
        await store.set_paused(mailing_id, True, by=BY, now_us=NOW)
    if state is MailingState.CANCELLED:
        await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    assert (await store.get_mailing(mailing_id)).state(NOW) is state
    return mailing_id


@pytest.mark.parametrize("state", list(MailingState))
async def test_what_is_over_can_be_archived_and_nothing_else(store: Store, state: MailingState) -> None:
    mailing_id = await in_state(store, state)
    before = await store.get_mailing(mailing_id)
    if state in (MailingState.CANCELLED, MailingState.ENDED):
        row = await archive(store, mailing_id, NOW + 5)
        assert row == replace(before, archived_us=NOW + 5, update_us=NOW + 5)
        assert row.state(NOW) is state
    else:
        with pytest.raises(Impossible, match=f"it is {state.value}") as caught:
            await archive(store, mailing_id)
        assert caught.value.fault.code == "STILL_OPEN"
        assert await store.get_mailing(mailing_id) == before


async def test_lists_show_what_is_archived_or_what_is_not(store: Store) -> None:
    ended, gone, cancelled, active = [
        await in_state(store, MailingState(state)) for state in ("ended", "ended", "cancelled", "active")
    ]
    assert await listed(store, archived=False) == [active, cancelled, gone, ended]
    assert await listed(store, archived=True) == []
    for mailing_id in (ended, gone, cancelled):
        await archive(store, mailing_id)
    await store.delete_mailing(gone, by=BY, now_us=NOW)
    assert await listed(store, archived=False) == [active]
    assert await listed(store, archived=True) == [cancelled, ended]
    assert await listed(store, MailingState.ENDED, archived=True) == [ended]
    assert await listed(store, MailingState.ENDED, archived=False) == []
    assert await listed(store, search=mailing().text, archived=True) == [cancelled, ended]
    assert await listed(store, search=mailing().text, archived=False) == [active]
    await take_out(store, ended)
    assert await listed(store, archived=False) == [active, ended]
    assert await listed(store, archived=True) == [cancelled]


async def test_to_archive_twice_or_take_out_twice_changes_nothing(store: Store) -> None:
    mailing_id = await in_state(store, MailingState.ENDED)
    assert (await take_out(store, mailing_id, NOW + 1)).update_us == NOW
    first = await archive(store, mailing_id, NOW + 1)
    assert await archive(store, mailing_id, NOW + 2) == first
    out = await take_out(store, mailing_id, NOW + 3)
    assert await take_out(store, mailing_id, NOW + 4) == out
    assert (out.archived_us, out.update_us) == (None, NOW + 3)
    events = (await store.list_audit(AuditQuery(object_type="mailing", object_id=mailing_id), Page())).items
    assert [(event.action, event.actor) for event in events[:2]] == [
        ("mailing.unarchive", BY.name),
        ("mailing.archive", BY.name),
    ]
    assert len(events) == 3


async def test_a_mailing_that_is_not_there_can_not_be_archived(store: Store) -> None:
    mailing_id = await in_state(store, MailingState.ENDED)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    for id in (mailing_id, mailing_id + 1):
        with pytest.raises(NotFound):
            await archive(store, id)
        with pytest.raises(NotFound):
            await take_out(store, id)


async def numbers(store: Store, mailing_id: int) -> list[object]:
    """All that is counted of a mailing, alone and with others."""
    stats = await store.mailing_stats(mailing_id)
    overview = await store.overview(NOW + 1, recent_us=0)
    messages = await store.list_messages(MessageQuery(mailing_id=mailing_id), Page())
    return [
        replace(stats, mailing=replace(stats.mailing, archived_us=None, update_us=0)),
        overview,
        await store.timeline(0, 10_000_000),
        [(message.id, message.status, message.reason) for message in messages.items],
    ]


async def test_nothing_is_lost_from_any_count(store: Store) -> None:
    """What it sent in the last hour stays sent, on its page and on the dashboard; what is on its way is still recorded
    and still ended."""
    await add_clients(store, 5)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    assert await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    taken = await store.claim(mailing_id, 3, owner=owner, now_us=NOW, lease_until_us=LEASE)
    await store.record([outcome(claim, Event.ACCEPT) for claim in taken[:2]], owner=owner, now_us=NOW)
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    before, revision = await numbers(store, mailing_id), (await store.read_control(0)).revision
    await archive(store, mailing_id, NOW + 1)
    assert await numbers(store, mailing_id) == before
    assert (await store.read_control(0)).revision == revision  # no engine has to look at its mailings again
    await store.record([outcome(taken[2], Event.ACCEPT)], owner=owner, now_us=NOW + 1)
    assert await store.cancel_pending(mailing_id, 10, NOW + 1) == 2
    assert (await store.get_mailing(mailing_id)).counts == Counts(sent=3, cancelled=2)
    assert await store.check() == []


async def test_what_is_archived_is_deleted_as_any_other(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id = await in_state(store, MailingState.CANCELLED)
    await archive(store, mailing_id)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert await store.purge(mailing_id, 10)

    async def left(tx: Tx) -> int:
        return int(await tx.value("SELECT count(*) FROM mailing"))

    assert await store._db.read(left) == 0
