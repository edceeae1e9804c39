"""What an import would do is what it does; and who is not to be texted because of it is not, whatever happens next."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput
from engine.store import Store
from engine.store.client_rows import Imported
from tests.store.world import BY, LONG_AGO, NOW, add_clients, add_mailing, client, mailing, messages

NEW, OLD = AudienceFilter(("new",)), AudienceFilter(("old",))


async def whose(store: Store, mailing_id: int) -> Counter[int | None]:
    return Counter(row.client_id for row in await messages(store, mailing_id))


async def import_silently(store: Store, *rows: ClientInput) -> tuple[int, ...]:
    return (await store.import_clients(rows, by=BY, now_us=NOW, silent=True)).changed_ids


async def test_nobody_is_texted_because_of_a_silent_import(store: Store) -> None:
    old = await add_clients(store, 2, "old")
    for_new, for_old, for_all = [await add_mailing(store, mailing(each)) for each in (NEW, OLD, AudienceFilter())]
    made = await import_silently(store, client(0, "new"), client(7, "new"), client(8, "old"))
    assert len(made) == 3
    assert await whose(store, for_new) == {}
    assert set(await whose(store, for_old)) == {old[1]}  # the first is "new" now: a change takes away as ever
    assert set(await whose(store, for_all)) == set(old)  # who has a message keeps it
    # A mailing that comes later is for them as for anybody.
    later = await add_mailing(store, mailing(NEW))
    assert len(await whose(store, later)) == 2


async def test_it_holds_for_the_number_until_the_mailing_is_over(store: Store) -> None:
    mailing_id = await add_mailing(store, mailing(NEW))
    (client_id,) = await import_silently(store, client(1, "new"))

    async def retag(tag: str) -> None:
        await store.update_client(client_id, lambda _: client(1, tag), by=BY, now_us=NOW)

    await retag("other")
    await retag("new")
    await store.import_clients([client(1, "new", "999")], by=BY, now_us=NOW)
    assert await whose(store, mailing_id) == {}
    await store.delete_client(client_id, by=BY, now_us=NOW)
    await add_clients(store, 1, "new", first=1)
    assert await whose(store, mailing_id) == {}
    await add_clients(store, 1, "new", first=2)  # anybody else is texted
    assert len(await whose(store, mailing_id)) == 1


async def test_a_mailing_that_did_not_want_them_takes_them_when_a_later_change_makes_them_match(store: Store) -> None:
    mailing_id = await add_mailing(store, mailing(NEW))
    (client_id,) = await import_silently(store, client(1, "other"))
    await store.update_client(client_id, lambda _: client(1, "new"), by=BY, now_us=NOW)
    assert set(await whose(store, mailing_id)) == {client_id}


async def test_it_holds_while_the_audience_is_being_built(store: Store) -> None:
    await add_clients(store, 3, "new")
    mailing_id = await add_mailing(store, mailing(NEW), build=False)
    assert not await store.build_audience(mailing_id, 1, NOW, LONG_AGO)
    await import_silently(store, client(9, "new"))
    while not await store.build_audience(mailing_id, 1, NOW, LONG_AGO):
        pass
    assert len(await whose(store, mailing_id)) == 3


ROW = st.tuples(st.integers(0, 5), st.sampled_from(["new", "old", ""]))


@pytest.mark.parametrize("silent", [False, True])
async def test_what_is_told_is_what_happens(store: Store, silent: bool) -> None:
    """For any files, one after the other: outcomes, and messages by mailing."""
    ids = [await add_mailing(store, mailing(each)) for each in (NEW, OLD, AudienceFilter())]
    cases: list[list[tuple[int, str]]] = []

    @settings(max_examples=12, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ROW, min_size=1, max_size=8))
    def collect(rows: list[tuple[int, str]]) -> None:
        cases.append(rows)

    collect()
    for case in cases:
        rows = [client(number, tag) for number, tag in case]
        told = await store.would_import_clients(rows, {}, now_us=NOW)
        before = {id: await whose(store, id) for id in ids}
        done = await store.import_clients(rows, by=BY, now_us=NOW, silent=silent)
        assert told.outcomes == done.outcomes
        expected = Counter(mailing_id for mailings in told.mailings.values() for mailing_id in mailings)
        for id in ids:
            new = await whose(store, id) - before[id]
            assert sum(new.values()) == (0 if silent else expected[id])
        assert (await store.would_import_clients(rows[-1:], {}, now_us=NOW)).mailings == {}


async def test_rows_before_are_as_if_they_were_stored(store: Store) -> None:
    mailing_id = await add_mailing(store, mailing(NEW))
    await add_clients(store, 1, "old")
    first = await store.would_import_clients([client(0, "new"), client(1, "new")], {}, now_us=NOW)
    assert first.outcomes == (Imported.UPDATED, Imported.CREATED)
    assert first.mailings == {row.phone_number: {mailing_id} for row in (client(0), client(1))}
    then: dict[int, Any] = dict(first.after)
    second = await store.would_import_clients([client(0, "new"), client(1, "old")], then, now_us=NOW)
    assert second.outcomes == (Imported.UNCHANGED, Imported.UPDATED)
    assert second.mailings == {client(1).phone_number: frozenset()}
