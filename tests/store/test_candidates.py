"""An audience of a filter with lists is who matches, however its clients are found; and who does not costs nothing."""

from __future__ import annotations

from itertools import product

import pytest

from engine.domain.audience import AudienceFilter
from engine.store import Store
from tests.store.world import BY, LONG_AGO, NOW, add_mailing, client, counts, mailing, messages

CODES = ("916", "999", "902")


async def crowd(store: Store, number: int = 60) -> dict[int, tuple[str, str]]:
    """Clients of whom nearly all have the tag ``common`` and the code 916; returns tag and code by id."""
    wanted = [
        client(
            i, "rare" if i % 20 == 7 else "some" if i % 5 == 1 else "common", CODES[2 if i % 20 == 9 else i % 4 == 0]
        )
        for i in range(number)
    ]
    made = await store.import_clients(wanted, by=BY, now_us=NOW)
    return {id: (one.tag, one.phone_code) for id, one in zip(made.changed_ids, wanted, strict=True)}


async def chunks(store: Store, mailing_id: int, limit: int) -> int:
    """Build an audience; returns in how many chunks."""
    number = 1
    while not await store.build_audience(mailing_id, limit, NOW, LONG_AGO):
        number += 1
    return number


TAGS = ((), ("rare",), ("common",), ("rare", "some"), ("common", "some"), ("rare", "nobody"), ("nobody",))


@pytest.mark.parametrize("limit", [7, 1000])
async def test_who_matches_gets_it(store: Store, limit: int) -> None:
    clients = await crowd(store)
    for tags, codes in product(TAGS, ((), ("902",), ("902", "999"))):
        filter = AudienceFilter(tags, codes)
        mailing_id = await add_mailing(store, mailing(filter), build=False)
        await chunks(store, mailing_id, limit)
        expected = {
            id for id, (tag, code) in clients.items() if (not tags or tag in tags) and (not codes or code in codes)
        }
        assert {row.client_id for row in await messages(store, mailing_id)} == expected, filter
        assert (await counts(store, mailing_id)).pending == len(expected)


@pytest.mark.parametrize("filter", [AudienceFilter(("rare",)), AudienceFilter((), ("902",))])
@pytest.mark.parametrize("beside", [("common",), ()])
async def test_a_few_of_many_are_one_chunk(store: Store, filter: AudienceFilter, beside: tuple[str, ...]) -> None:
    await crowd(store)
    both = AudienceFilter(filter.tags or beside, filter.phone_codes)
    assert await chunks(store, await add_mailing(store, mailing(both), build=False), 5) == 1
    everybody = await add_mailing(store, build=False)
    assert await chunks(store, everybody, 5) > 12


@pytest.mark.parametrize("tags", [("rare",), ("rare", "nobody")])
async def test_many_that_lie_far_apart_are_looked_up_in_parts(store: Store, tags: tuple[str, ...]) -> None:
    clients = await crowd(store, 200)
    made = await add_mailing(store, mailing(AudienceFilter(tags)), build=False)
    assert await chunks(store, made, 7) == 2
    assert (await counts(store, made)).pending == sum(tag == "rare" for tag, _ in clients.values()) == 10
