"""engine/store/breakdowns.py: breakdowns of large mailings are kept, and known to be true or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from engine.domain.errors import NotFound
from engine.domain.message import Event
from engine.store import Store, breakdowns
from engine.store.breakdowns import Due, Look
from engine.store.rows import Breakdown, GroupCounts, StatsRow
from tests.store.conftest import Opener
from tests.store.verbs_in_turn import every_verb
from tests.store.world import BY, LONG_AGO, NOW, add_clients, add_engine, add_mailing, claim, client, mailing, record

LATER = 50_000_000
CLAIMS = ("claim", "claim_all")
"""They change whom the messages in hand are for, until the outcome is stored. Nothing notes that."""


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdowns, "AT_ONCE_MAX", 2)


async def test_a_breakdown_read_in_chunks_is_that_read_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await add_clients(store, 5, "a|b")
    await add_clients(store, 2, "", first=5)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    taken = await claim(store, mailing_id, owner, 3)
    await record(store, owner, taken[:2], Event.ACCEPT)
    await store.delete_client(ids[0], by=BY, now_us=NOW)
    monkeypatch.setattr(breakdowns, "AT_ONCE_MAX", 7)
    whole = (await store.mailing_stats(mailing_id)).breakdown
    assert whole is not None
    assert whole.by_tag == {"a|b": GroupCounts(3, 1, 0), "": GroupCounts(2, 0, 0), "(deleted)": GroupCounts(0, 1, 0)}
    assert whole.by_phone_code == {"916": GroupCounts(5, 1, 0), "(deleted)": GroupCounts(0, 1, 0)}
    for chunk in (2, 7, 8):
        monkeypatch.setattr(breakdowns, "CHUNK", chunk)
        assert await store.mailing_breakdown(mailing_id) == whole


async def test_what_is_kept_is_given_at_once_and_says_how_old_it_is(store: Store) -> None:
    await add_clients(store, 4)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    assert (await store.mailing_stats(mailing_id)).breakdown is None
    found = await store.read_breakdown(mailing_id, NOW)
    assert found.by_tag == {"new": GroupCounts(4, 0, 0)}
    stats = await store.mailing_stats(mailing_id)
    assert (stats.breakdown, stats.breakdown_us) == (found, None)
    await record(store, owner, await claim(store, mailing_id, owner, 1), Event.ACCEPT)
    stats = await store.mailing_stats(mailing_id)
    assert (stats.breakdown, stats.breakdown_us) == (found, NOW)
    newer = await store.read_breakdown(mailing_id, LATER)
    assert newer.by_tag == {"new": GroupCounts(3, 1, 0)}
    stats = await store.mailing_stats(mailing_id)
    assert (stats.breakdown, stats.breakdown_us) == (newer, None)


async def test_what_is_said_to_be_true_is_true_after_every_verb(store: Store) -> None:
    """INVARIANT. While a kept breakdown has the revision of the counters it is what the rows say."""
    known: list[str] = []
    for name, verb in await every_verb(store):
        mailing_ids = [plan.mailing_id for plan in await store.plans(NOW)]
        for mailing_id in mailing_ids:
            await store.read_breakdown(mailing_id, NOW)
        await verb()
        for mailing_id in mailing_ids:
            known += await _proven(store, name, mailing_id)
    assert len(known) > 20, "it must not be that nothing is ever true"


async def _proven(store: Store, name: str, mailing_id: int) -> list[str]:
    try:
        stats = await store.mailing_stats(mailing_id)
    except NotFound:
        return []
    if stats.breakdown_us is not None or stats.breakdown is None:
        return []
    rows = await store.mailing_breakdown(mailing_id)
    kept = stats.breakdown
    if name in CLAIMS:
        kept = replace(kept, by_provider=rows.by_provider)
    assert kept == rows, name
    assert _totals(kept) == [stats.mailing.counts.total] * 3
    return [name]


def _totals(found: Breakdown) -> list[int]:
    kinds = (found.by_phone_code, found.by_tag, found.by_time_zone)
    return [sum(each.pending + each.sent + each.not_sent for each in kind.values()) for kind in kinds]


async def test_an_audience_has_its_breakdown_with_each_of_its_chunks(store: Store) -> None:
    await add_clients(store, 5, "a")
    await add_clients(store, 2, "b", first=5)
    mailing_id = await add_mailing(store, build=False)
    for total in (2, 4, 6, 7):
        assert await store.build_audience(mailing_id, 2, NOW, LONG_AGO) == (total == 7)
        stats = await store.mailing_stats(mailing_id)
        assert stats.breakdown is not None
        assert _totals(stats.breakdown) == [stats.mailing.counts.total] * 3 == [total] * 3
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown is not None
    assert stats.breakdown.by_tag == {"a": GroupCounts(5, 0, 0), "b": GroupCounts(2, 0, 0)}
    # What was sent meanwhile counts as pending there, so it is read once more.
    assert stats.breakdown_us == NOW
    assert (await store.breakdown_due((), NOW)).due == Due(mailing_id, 7)


async def test_one_that_names_clients_has_it_too(store: Store) -> None:
    ids = await add_clients(store, 6, "a")
    wanted = mailing(replace(mailing().filter, client_ids=tuple(ids[1:])))
    mailing_id = await add_mailing(store, wanted, build=False)
    while not await store.build_audience(mailing_id, 2, NOW, LONG_AGO):
        pass
    found = (await store.mailing_stats(mailing_id)).breakdown
    assert found is not None
    assert found.by_tag == {"a": GroupCounts(5, 0, 0)}


async def test_one_with_very_many_groups_is_left_for_the_reading(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdowns, "_GROWING_MAX", 130)
    for number in range(9):
        await add_clients(store, 1, f"tag {number}", first=number)
    mailing_id = await add_mailing(store, build=False)
    while not await store.build_audience(mailing_id, 2, NOW, LONG_AGO):
        pass
    assert (await store.mailing_stats(mailing_id)).breakdown is None
    found = await store.read_breakdown(mailing_id, NOW)
    assert (await store.mailing_stats(mailing_id)).breakdown == found
    assert len(found.by_tag) == 9


async def test_what_was_read_while_an_audience_is_built_is_not_added_to(store: Store) -> None:
    await add_clients(store, 7)
    mailing_id = await add_mailing(store, build=False)
    await store.build_audience(mailing_id, 3, NOW, LONG_AGO)
    found = await store.read_breakdown(mailing_id, NOW)
    while not await store.build_audience(mailing_id, 3, NOW, LONG_AGO):
        pass
    stats = await store.mailing_stats(mailing_id)
    assert (stats.breakdown, stats.breakdown_us) == (found, NOW)


async def test_as_many_that_go_as_come_are_noticed(store: Store) -> None:
    await add_clients(store, 2, "a")
    await add_clients(store, 2, "b", first=2)
    everyone = mailing().filter
    mailing_id = await add_mailing(store, mailing(replace(everyone, tags=("a",))))
    await store.read_breakdown(mailing_id, NOW)
    other = mailing(replace(everyone, tags=("b",)))
    await store.update_mailing(mailing_id, lambda _: other, by=BY, now_us=NOW)
    while not await store.build_audience(mailing_id, 9, NOW, LONG_AGO):
        pass
    assert (await store.mailing_stats(mailing_id)).breakdown_us == NOW, "it is older than the rest"
    assert (await store.read_breakdown(mailing_id, NOW)).by_tag == {"b": GroupCounts(2, 0, 0)}


async def test_the_newest_that_was_never_read_is_due_first_and_then_the_oldest_reading(store: Store) -> None:
    ids = await add_clients(store, 3)
    first, second, third = [await add_mailing(store) for _ in range(3)]
    order = []
    for number in range(3):
        due = (await store.breakdown_due((), NOW)).due
        assert due is not None
        order.append(due.mailing_id)
        await store.read_breakdown(due.mailing_id, NOW + number)
    assert order == [third, second, first]
    assert await store.breakdown_due((first,), NOW) == Look(None, None)  # all are true
    await store.update_client(ids[0], lambda _: client(0, "x"), by=BY, now_us=NOW)
    assert (await store.breakdown_due((), NOW)).due == Due(third, 3)
    assert (await store.breakdown_due((second,), NOW)).due == Due(second, 3)
    await store.delete_mailing(third, by=BY, now_us=NOW)
    assert (await store.breakdown_due((), NOW)).due == Due(second, 3)


async def test_mailings_of_long_ago_have_their_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdowns, "WINDOW", 2)
    await add_clients(store, 3)
    first, second, *newest = [await add_mailing(store) for _ in range(4)]
    for each in newest:
        await store.read_breakdown(each, NOW)
    look = await store.breakdown_due((), NOW)
    assert look == Look(None, newest[0])
    assert look.lowest_id is not None
    assert await store.breakdown_due((), NOW, look.lowest_id) == Look(Due(second, 3), first)
    assert await store.breakdown_due((), NOW, first) == Look(None, None)
    assert (await store.breakdown_due((first,), NOW)).due == Due(first, 3)  # whoever asks has it found


async def test_what_one_engine_reads_others_leave_alone_for_a_while(store: Store) -> None:
    await add_clients(store, 3)
    mailing_id = await add_mailing(store)
    due = Due(mailing_id, 3)
    assert await store.begin_breakdown(due, LATER)
    assert not await store.begin_breakdown(due, LATER)
    assert (await store.breakdown_due((mailing_id,), LATER)).due is None
    assert (await store.mailing_stats(mailing_id)).breakdown is None
    # It has died; or the clock was put back by hours.
    for at_us in (LATER + breakdowns._BUSY_US + 1_000, LATER - 2 * breakdowns._BUSY_US_MAX):
        assert (await store.breakdown_due((), at_us)).due == due
        assert await store.begin_breakdown(due, at_us)
    await store.read_breakdown(mailing_id, LATER)
    assert (await store.breakdown_due((), LATER)).due is None
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert not await store.begin_breakdown(Due(mailing_id, 3), 2 * LATER)


async def test_a_reading_that_began_earlier_does_not_replace_a_later_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_clients(store, 3)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    whole: Callable[[int], Awaitable[Breakdown]] = store.mailing_breakdown

    async def slow(mailing_id: int) -> Breakdown:
        monkeypatch.undo()
        monkeypatch.setattr(breakdowns, "AT_ONCE_MAX", 2)
        early = await whole(mailing_id)
        await record(store, owner, await claim(store, mailing_id, owner, 1), Event.ACCEPT)
        await store.read_breakdown(mailing_id, NOW)
        return early

    monkeypatch.setattr(store, "mailing_breakdown", slow)
    await store.read_breakdown(mailing_id, NOW)
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown is not None
    assert (stats.breakdown.by_tag, stats.breakdown_us) == ({"new": GroupCounts(2, 1, 0)}, None)


async def test_it_goes_with_what_is_removed_for_its_age(store: Store) -> None:
    await add_clients(store, 3)
    mailing_id = await add_mailing(store)
    await store.read_breakdown(mailing_id, NOW)
    await store.expire(mailing_id, 10, LATER)
    assert await store.remove_details(LATER, 2, LATER) is not None
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown == Breakdown({}, {}, {}, {})
    assert stats.breakdown_us is None
    await store.read_breakdown(mailing_id, LATER)  # it was under way
    assert (await store.mailing_stats(mailing_id)).breakdown == Breakdown({}, {}, {}, {})
    assert (await store.breakdown_due((mailing_id,), LATER)).due is None


async def test_zones_of_what_waits_are_those_that_were_read(store: Store) -> None:
    ids = await add_clients(store, 3)
    mailing_id = await add_mailing(store)
    assert (await store.waiting_zones(mailing_id)).by_zone == {"UTC": 3}
    await store.read_breakdown(mailing_id, NOW)
    await store.update_client(ids[0], lambda _: client(0, time_zone="Asia/Omsk"), by=BY, now_us=NOW)
    assert (await store.waiting_zones(mailing_id)).by_zone == {"UTC": 3}
    await store.read_breakdown(mailing_id, NOW)
    assert (await store.waiting_zones(mailing_id)).by_zone == {"UTC": 2, "Asia/Omsk": 1}


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_what_one_engine_has_read_another_gives(open_store: Opener) -> None:
    first, second = await open_store(), await open_store()
    await add_clients(first, 3)
    mailing_id = await add_mailing(first)
    found = await first.read_breakdown(mailing_id, NOW)
    stats: StatsRow = await second.mailing_stats(mailing_id)
    assert (stats.breakdown, stats.breakdown_us) == (found, None)
