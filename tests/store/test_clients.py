"""engine/store/clients.py, client_list.py: clients that are added, imported, changed, listed and counted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.errors import Conflict, InvalidInput, NotFound
from engine.domain.validate import ClientInput, ClientPatch
from engine.store import Store
from engine.store.client_rows import ClientQuery, ClientRow, Imported
from engine.store.rows import Counts, Page
from tests.store.world import (
    BY,
    NOW,
    add_clients,
    add_mailing,
    client,
    counts,
    mailing,
)


async def test_a_client_is_made_read_changed_and_removed(store: Store) -> None:
    made = (await store.create_client(client(1), by=BY, now_us=NOW)).row
    assert made == ClientRow(made.id, 79160000001, "916", "new", "UTC", NOW, NOW)
    changed = await store.update_client(made.id, lambda old: client(2, "old"), by=BY, now_us=NOW + 1)
    assert changed == ClientRow(made.id, 79160000002, "916", "old", "UTC", NOW, NOW + 1)
    assert await store.get_client(made.id) == changed
    await store.delete_client(made.id, by=BY, now_us=NOW)
    for attempt in (
        store.get_client(made.id),
        store.delete_client(made.id, by=BY, now_us=NOW),
        store.update_client(made.id, lambda old: client(2), by=BY, now_us=NOW),
    ):
        with pytest.raises(NotFound, match=f"client {made.id} does not exist"):
            await attempt


async def test_a_phone_number_has_one_client(store: Store) -> None:
    await store.create_client(client(1), by=BY, now_us=NOW)
    other = (await store.create_client(client(2), by=BY, now_us=NOW)).row
    with pytest.raises(Conflict) as caught:
        await store.create_client(client(1), by=BY, now_us=NOW)
    assert caught.value.field == "phone_number"
    with pytest.raises(Conflict):
        await store.update_client(other.id, lambda old: client(1), by=BY, now_us=NOW)
    assert (await store.list_clients(ClientQuery(), Page())).total == 2


async def test_a_change_that_is_refused_changes_nothing(store: Store) -> None:
    made = (await store.create_client(client(1), by=BY, now_us=NOW)).row

    def refuse(old: ClientRow) -> ClientInput:
        raise InvalidInput([])

    with pytest.raises(InvalidInput):
        await store.update_client(made.id, refuse, by=BY, now_us=NOW)
    assert await store.get_client(made.id) == made


async def test_import_adds_updates_and_leaves_alone(store: Store) -> None:
    await store.import_clients([client(1), client(2)], by=BY, now_us=NOW)
    rows = [client(2, "x"), client(1), client(3), client(3, "y"), client(3, "y")]
    result = await store.import_clients(rows, by=BY, now_us=NOW + 1)
    created, updated, unchanged = Imported.CREATED, Imported.UPDATED, Imported.UNCHANGED
    assert result.outcomes == (updated, unchanged, created, updated, unchanged)
    found = {
        row.phone_number % 10: (row.tag, row.update_us)
        for row in (await store.list_clients(ClientQuery(), Page())).items
    }
    assert found == {1: ("new", NOW), 2: ("x", NOW + 1), 3: ("y", NOW + 1)}
    assert (await store.import_clients([], by=BY, now_us=NOW)).outcomes == ()


async def test_an_import_leaves_alone_what_a_row_does_not_say(store: Store) -> None:
    stored = [client(1, "a", "999", "Asia/Omsk"), client(2, "b", "999", "Asia/Omsk")]
    await store.import_clients(stored, by=BY, now_us=NOW)
    rows = [
        patch(1),
        patch(2, tag="x"),
        patch(3, tag="y"),
        patch(2, phone_code="903"),
        patch(3, time_zone="Asia/Tokyo"),
        patch(3, phone_code="916", tag="y"),
    ]
    result = await store.import_clients(rows, by=BY, now_us=NOW + 1)
    created, updated, unchanged = Imported.CREATED, Imported.UPDATED, Imported.UNCHANGED
    assert result.outcomes == (unchanged, updated, created, updated, updated, unchanged)
    listed = (await store.list_clients(ClientQuery(), Page())).items
    found = [ClientInput(**{name: getattr(row, name) for name in FIELDS}) for row in listed]
    assert found == [stored[0], client(2, "x", "903", "Asia/Omsk"), client(3, "y", "916", "Asia/Tokyo")]


async def test_rule_01_messages_follow_an_import_that_says_only_a_part(store: Store) -> None:
    await store.import_clients([client(1, "old", "999"), client(2, "old", "903")], by=BY, now_us=NOW)
    mailing_id = await add_mailing(store, mailing(AudienceFilter(("new",), ("999",))))
    rows = [patch(1, tag="new"), patch(2, tag="new")]
    await store.import_clients(rows, by=BY, now_us=NOW)
    assert await counts(store, mailing_id) == Counts(pending=1)


async def test_lists_page_by_key_and_survive_inserts(store: Store) -> None:
    ids = await add_clients(store, 5)
    first = await store.list_clients(ClientQuery(), Page(2))
    assert ([row.id for row in first.items], first.total, first.next_after) == (ids[:2], 5, ids[1])
    await store.delete_client(ids[0], by=BY, now_us=NOW)
    await add_clients(store, 1, first=9)
    second = await store.list_clients(ClientQuery(), Page(3, first.next_after))
    assert [row.id for row in second.items] == ids[2:5]
    last = await store.list_clients(ClientQuery(), Page(3, second.next_after))
    assert (len(last.items), last.next_after) == (1, None)
    exported = [page async for page in store.export_clients(ClientQuery(), 2)]
    assert [len(page) for page in exported] == [2, 2, 1]
    assert [page async for page in store.export_clients(ClientQuery(tag="nobody"))] == []


async def test_clients_are_found_by_their_fields_and_counted_by_value(store: Store) -> None:
    await store.import_clients(
        [client(1, "a", "916"), client(2, "a", "903", "Asia/Omsk"), client(3, "b", "903")], by=BY, now_us=NOW
    )
    for query, number in (
        (ClientQuery(tag="a"), 2),
        (ClientQuery(phone_code="903"), 2),
        (ClientQuery(phone_code="903", tag="b"), 1),
        (ClientQuery(phone_number=79160000001), 1),
        (ClientQuery(time_zone="Asia/Omsk"), 1),
        (ClientQuery(tag="' OR 1=1 --"), 0),
    ):
        found = await store.list_clients(query, Page())
        assert (found.total, len(found.items)) == (number, number)
    facets = await store.facets()
    assert facets["tag"] == {"a": 2, "b": 1}
    assert facets["phone_code"] == {"903": 2, "916": 1}
    assert facets["time_zone"] == {"UTC": 2, "Asia/Omsk": 1}


FIELDS: Final = [field.name for field in fields(ClientInput)]


def patch(number: int, **said: Any) -> ClientPatch:
    """A row that says only so much of client ``number``."""
    whole = ClientInput(79160000000 + number, "916", "", "UTC")
    unsaid = tuple(name for name in FIELDS if name != "phone_number" and name not in said)
    return ClientPatch(replace(whole, **said), unsaid)
