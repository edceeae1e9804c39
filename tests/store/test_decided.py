"""engine/store/decided.py: a fixed audience is live until the start, and then nobody comes and nobody goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours
from engine.ports import AudienceState
from engine.store import Store
from engine.store.rows import MailingRow
from tests.store.world import (
    BY,
    END,
    LONG_AGO,
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
    record,
    release,
)

NEW = AudienceFilter(("new",))
FIXED = replace(mailing(NEW), audience_fixed=True)


async def whose(store: Store, mailing_id: int) -> set[int | None]:
    """Whose messages there are; the counters agree."""
    found = {row.client_id for row in await messages(store, mailing_id)}
    assert (await counts(store, mailing_id)).total == len(found)
    return found


async def retag(store: Store, client_id: int, tag: str, now_us: int) -> None:
    await store.update_client(client_id, lambda old: client(old.phone_number % 10_000, tag), by=BY, now_us=now_us)


async def add_client(store: Store, number: int, now_us: int, tag: str = "new") -> int:
    return (await store.create_client(client(number, tag), by=BY, now_us=now_us)).row.id


async def build(store: Store, mailing_id: int, now_us: int, limit: int = 1000) -> None:
    while not await store.build_audience(mailing_id, limit, now_us, LONG_AGO):
        pass


async def edit(store: Store, mailing_id: int, now_us: int, **changes: Any) -> MailingRow:
    def change(row: MailingRow) -> MailingInput:
        said = {name: getattr(row, name) for name in MailingInput.__dataclass_fields__}
        return replace(MailingInput(**said), **changes)

    expected = await store.would_update_mailing(mailing_id, change, now_us=now_us)
    row = await store.update_mailing(mailing_id, change, by=BY, now_us=now_us)
    assert row.audience_state is expected.audience_state
    return row


@pytest.fixture(params=[False, True], ids=["live", "fixed"])
def fixed(request: pytest.FixtureRequest) -> bool:
    """Whether the audience is fixed."""
    return bool(request.param)


async def test_it_is_live_until_the_start_and_then_fixed(store: Store, fixed: bool) -> None:
    start_us = NOW + 100
    asked = replace(mailing(NEW, start_us=start_us), audience_fixed=fixed)
    goes, stays, deleted, comes = await add_clients(store, 4)
    await retag(store, comes, "old", NOW)
    mailing_id = await add_mailing(store, asked)
    assert await whose(store, mailing_id) == {goes, stays, deleted}
    await retag(store, goes, "old", start_us - 1)
    await retag(store, comes, "new", start_us - 1)
    early = await add_client(store, 10, start_us - 1)
    assert await whose(store, mailing_id) == {stays, deleted, comes, early}
    # The start.
    await retag(store, stays, "old", start_us)
    late = await add_client(store, 11, start_us)
    await store.delete_client(deleted, by=BY, now_us=start_us)
    await store.import_clients([client(0), client(12)], by=BY, now_us=start_us)
    back = await whose(store, mailing_id)
    assert back == {stays, comes, early} if fixed else {goes, late} < back
    assert stays in back or not fixed


async def test_who_comes_while_it_is_collected_is_too_late(store: Store, fixed: bool) -> None:
    first, second, third = await add_clients(store, 3)
    mailing_id = await add_mailing(store, replace(FIXED, audience_fixed=fixed), build=False)
    assert not await store.build_audience(mailing_id, 1, NOW + 1, LONG_AGO)
    late = await add_client(store, 10, NOW + 1)
    await retag(store, third, "old", NOW + 1)  # counts as it is when its turn comes
    await build(store, mailing_id, NOW + 2, limit=1)
    assert await whose(store, mailing_id) == {first, second, *(() if fixed else (late,))}


async def test_one_that_starts_later_takes_who_came_before_its_start(store: Store) -> None:
    start_us = NOW + 100
    mailing_id = await add_mailing(store, replace(FIXED, start_us=start_us), build=False)
    early, late = await add_client(store, 1, start_us - 1), await add_client(store, 2, start_us)
    await build(store, mailing_id, start_us + 1)
    assert await whose(store, mailing_id) == {early}
    assert late


async def test_another_filter_decides_anew(store: Store) -> None:
    first, second = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    old = await add_client(store, 10, NOW + 1, "old")
    await retag(store, first, "old", NOW + 1)
    row = await edit(store, mailing_id, NOW + 2, filter=AudienceFilter(("old",)))
    assert row.audience_state is AudienceState.BUILDING
    late = await add_client(store, 11, NOW + 3, "old")
    await build(store, mailing_id, NOW + 4, limit=1)
    assert await whose(store, mailing_id) == {first, old}
    assert {second, late}.isdisjoint(await whose(store, mailing_id))


HOURS = LocalHours(1, 2)


async def test_other_local_hours_change_nobody(store: Store) -> None:
    owner = await add_engine(store)
    first, _ = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    await retag(store, first, "old", NOW + 1)
    (taken, waiting) = await claim(store, mailing_id, owner)
    await release(store, owner, [waiting], END - 1)
    await add_client(store, 10, NOW + 1)
    assert (await store.next_due_us(mailing_id)) == END - 1
    assert (await edit(store, mailing_id, NOW + 2, local_hours=HOURS)).audience_state is AudienceState.BUILDING
    await edit(store, mailing_id, NOW + 2, local_hours=None)  # again, while it is being built
    before = await whose(store, mailing_id)
    await build(store, mailing_id, NOW + 3, limit=1)
    assert await whose(store, mailing_id) == before == {taken.client_id, waiting.client_id}
    assert (await store.next_due_us(mailing_id)) == 0


async def test_other_local_hours_do_not_end_what_another_filter_began(store: Store) -> None:
    first, second = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    await retag(store, first, "old", NOW + 1)
    await edit(store, mailing_id, NOW + 2, filter=AudienceFilter(("old",)))
    await edit(store, mailing_id, NOW + 3, local_hours=HOURS)
    await build(store, mailing_id, NOW + 4)
    assert await whose(store, mailing_id) == {first}
    assert second


@pytest.mark.parametrize("changes", [{"audience_fixed": False}, {"start_us": NOW + 100}], ids=["live", "later"])
async def test_one_that_follows_clients_again_is_built_again(store: Store, changes: dict[str, Any]) -> None:
    goes, stays = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    (generation,) = [plan.audience_generation for plan in await store.plans(NOW)]
    await retag(store, goes, "old", NOW + 1)
    comes = await add_client(store, 10, NOW + 1)
    assert await whose(store, mailing_id) == {goes, stays}
    assert (await edit(store, mailing_id, NOW + 2, **changes)).audience_state is AudienceState.BUILDING
    assert [plan.audience_generation for plan in await store.plans(NOW)] == [generation + 1]
    await build(store, mailing_id, NOW + 3)
    assert await whose(store, mailing_id) == {stays, comes}


async def test_a_live_one_that_is_fixed_stays_as_it_is(store: Store) -> None:
    (first,) = await add_clients(store, 1)
    mailing_id = await add_mailing(store, replace(FIXED, audience_fixed=False))
    second = await add_client(store, 10, NOW + 1)
    assert (await edit(store, mailing_id, NOW + 2, audience_fixed=True)).audience_state is AudienceState.READY
    await add_client(store, 11, NOW + 3)
    await retag(store, first, "old", NOW + 3)
    assert await whose(store, mailing_id) == {first, second}


async def test_who_has_a_message_keeps_it_when_the_start_is_moved_to_the_past(store: Store) -> None:
    mailing_id = await add_mailing(store, replace(FIXED, start_us=NOW + 100), build=False)
    early = await add_client(store, 1, NOW + 50)
    await edit(store, mailing_id, NOW + 60, start_us=START)
    await edit(store, mailing_id, NOW + 60, local_hours=HOURS)
    await build(store, mailing_id, NOW + 61)
    assert await whose(store, mailing_id) == {early}


@pytest.mark.parametrize("changes", [{"start_us": START}, {"audience_fixed": True}], ids=["start", "fixed"])
async def test_an_edit_that_decides_it_takes_who_came_before_the_edit(store: Store, changes: dict[str, Any]) -> None:
    """Who was stored while the mailing was being registered has no message before the audience is built."""
    before = await add_client(store, 1, NOW + 50)
    asked = replace(FIXED, start_us=NOW + 100) if "start_us" in changes else mailing(NEW)
    mailing_id = await add_mailing(store, asked, build=False)  # at NOW
    await edit(store, mailing_id, NOW + 60, **changes)
    await add_client(store, 2, NOW + 70)
    await build(store, mailing_id, NOW + 80)
    assert await whose(store, mailing_id) == {before}


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_number_that_was_told_gets_nothing_from_another_client(store: Store, accepted: bool) -> None:
    """The text went to a number whose client is deleted; another client of the audience gets that number."""
    owner = await add_engine(store)
    first, second = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    (taken,) = await claim(store, mailing_id, owner, limit=1)
    assert taken.client_id == first
    if accepted:
        await record(store, owner, [taken], Event.ACCEPT)
    await store.delete_client(first, by=BY, now_us=NOW + 1)

    await store.update_client(second, lambda old: client(0), by=BY, now_us=NOW + 2)
    assert second not in await whose(store, mailing_id)


@pytest.mark.parametrize("together", [True, False])
async def test_who_gets_a_number_that_turns_out_untold_stays_in_the_audience(store: Store, together: bool) -> None:
    """Both messages are in hand, and neither is called. What says who is in the audience goes with the other."""
    owner = await add_engine(store)
    first, second = await add_clients(store, 2)
    mailing_id = await add_mailing(store, FIXED)
    claims = await claim(store, mailing_id, owner)
    await store.delete_client(first, by=BY, now_us=NOW + 1)
    await store.update_client(second, lambda old: client(0, "another tag"), by=BY, now_us=NOW + 2)
    for batch in [claims] if together else [[one] for one in claims]:
        await release(store, owner, batch)
    assert await whose(store, mailing_id) == {second}
    (again,) = await claim(store, mailing_id, owner)
    assert again.phone_number == client(0).phone_number
