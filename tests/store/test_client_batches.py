"""engine/store/client_batches.py: many clients are changed or deleted at once."""

from __future__ import annotations

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Status
from engine.store import Store
from engine.store.client_rows import BatchResult, ClientChange, ClientQuery
from engine.store.rows import AuditQuery, Counts, Page
from tests.store.world import (
    BY,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    messages,
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
