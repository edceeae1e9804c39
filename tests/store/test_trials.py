"""Ids of texts that are sent to be tried are no message's, on each database."""

from __future__ import annotations

from engine.store.store import Store
from tests.store.world import BY, NOW, add_clients, add_mailing, messages


async def ids(store: Store, number: int) -> list[int]:
    numbers = [79160000100 + place for place in range(number)]
    trial = await store.begin_trial("x", numbers, None, by=BY, now_us=NOW)
    return list(trial.message_ids)


async def test_ids_are_given_once_before_and_between_and_after_messages(store: Store) -> None:
    found = await ids(store, 2)
    await add_clients(store, 3)
    mailing_id = await add_mailing(store)
    found += [row.id for row in await messages(store, mailing_id)]
    found += await ids(store, 5)
    found += [row.id for row in await messages(store, await add_mailing(store))]
    assert len(found) == 13
    assert sorted(set(found)) == sorted(found)


async def test_a_client_gives_what_it_has_without_its_number_being_asked_for(store: Store) -> None:
    (client_id,) = await add_clients(store, 1)
    trial = await store.begin_trial("x", [79160000100], client_id, by=BY, now_us=NOW)
    assert trial.person is not None
    assert (trial.person.attributes, trial.person.tag, trial.person.phone_number) == ("{}", "new", 79160000000)
