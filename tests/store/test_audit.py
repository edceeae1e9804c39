"""engine/store/audit.py: who changed what."""

from __future__ import annotations

from engine.store import Store
from engine.store.rows import (
    AuditQuery,
    Page,
)
from tests.store.world import (
    BY,
    NOW,
    add_clients,
    add_mailing,
    client,
    mailing,
)


async def test_every_change_is_in_the_audit_list_and_no_phone_number(store: Store) -> None:
    made = (await store.create_client(client(1), by=BY, now_us=NOW)).row
    await store.update_client(made.id, lambda old: client(1, "vip"), by=BY, now_us=NOW)
    await store.update_client(made.id, lambda old: client(1, "vip"), by=BY, now_us=NOW)  # no change
    await store.delete_client(made.id, by=BY, now_us=NOW)
    await add_clients(store, 2)
    mailing_id = await add_mailing(store)
    await store.set_paused(mailing_id, True, by=BY, now_us=NOW)
    await store.set_control(workers=3, by=BY, now_us=NOW + 9)
    found = await store.list_audit(AuditQuery(), Page(4))
    rest = await store.list_audit(AuditQuery(), Page(4, found.next_after))
    events = (*found.items, *rest.items)
    assert [event.action for event in reversed(events)] == [
        "client.create",
        "client.update",
        "client.delete",
        "client.import",
        "mailing.create",
        "mailing.pause",
        "engine.control",
    ]
    assert (found.total, rest.next_after) == (7, None)
    assert (events[0].actor, events[0].time_us, events[0].detail) == (
        BY.name,
        NOW + 9,
        {"workers": 3, "before": {"workers": None}},
    )
    assert "7916" not in repr(events)
    one = await store.list_audit(AuditQuery(object_type="mailing", object_id=mailing_id, actor=BY.name), Page(1))
    assert (len(one.items), one.total) == (1, 2)


async def test_a_change_says_what_was_there_before_and_nothing_that_stays(store: Store) -> None:
    made = (await store.create_client(client(1, "old"), by=BY, now_us=NOW)).row
    await store.update_client(made.id, lambda old: client(1, "vip"), by=BY, now_us=NOW)
    mailing_id = await add_mailing(store)
    await store.update_mailing(mailing_id, lambda old: mailing(text="other"), by=BY, now_us=NOW + 1)
    await store.set_control(workers=3, by=BY, now_us=NOW + 2)
    await store.set_control(workers=4, sending_paused=True, by=BY, now_us=NOW + 3)
    details = [event.detail for event in (await store.list_audit(AuditQuery(), Page(9))).items]
    assert details[0] == {"workers": 4, "sending_paused": True, "before": {"workers": 3, "sending_paused": False}}
    assert details[2] == {"text": "other", "before": {"text": mailing().text}}
    assert details[4] == {"tag": "vip", "before": {"tag": "old"}}


async def test_events_are_found_by_what_was_done_and_when(store: Store) -> None:
    await add_clients(store, 1)
    for later in range(3):
        await store.set_control(workers=3 + later, by=BY, now_us=NOW + later)
    for query, number in (
        (AuditQuery(action="engine.control"), 3),
        (AuditQuery(action="engine.control", since_us=NOW + 1), 2),
        (AuditQuery(action="engine.control", since_us=NOW + 1, until_us=NOW + 2), 1),
        (AuditQuery(action="client.delete"), 0),
    ):
        assert (await store.list_audit(query, Page(9))).total == number


async def test_an_import_in_many_batches_is_one_entry(store: Store) -> None:
    first = await store.import_clients([client(1), client(2)], by=BY, now_us=NOW)
    again = await store.import_clients([client(2)], by=BY, now_us=NOW + 1, event_id=first.event_id)
    last = await store.import_clients([client(2, "vip"), client(3)], by=BY, now_us=NOW + 2, event_id=again.event_id)
    (event,) = (await store.list_audit(AuditQuery(), Page())).items
    assert first.event_id == again.event_id == last.event_id == event.id
    assert (event.time_us, event.detail) == (NOW, {"created": 3, "updated": 1, "unchanged": 1, "refused": 0})


async def test_an_import_that_outlives_its_entry_has_another_one(store: Store) -> None:
    first = await store.import_clients([client(1)], by=BY, now_us=NOW)
    await store.forget_audit(NOW + 1)
    await store.import_clients([client(2)], by=BY, now_us=NOW + 2, event_id=first.event_id)
    (event,) = (await store.list_audit(AuditQuery(), Page())).items
    assert event.detail == {"created": 1, "updated": 0, "unchanged": 0, "refused": 0}


async def test_an_import_that_changes_nothing_is_no_entry(store: Store) -> None:
    await store.import_clients([client(1)], by=BY, now_us=NOW)
    found = await store.import_clients([client(1)], by=BY, now_us=NOW + 1)
    assert found.event_id is None
    assert (await store.list_audit(AuditQuery(), Page())).total == 1
