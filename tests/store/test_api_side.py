"""What the API asks for: clients, mailings, lists, statistics, repeated requests, the audit list."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.errors import Conflict, InvalidInput, NotFound, ReadOnly
from engine.domain.message import Event, Reason
from engine.domain.validate import ClientInput, ClientPatch, MailingInput
from engine.domain.window import LocalHours, MailingState
from engine.store import Store
from engine.store.database import Tx
from engine.store.rows import (
    AuditQuery,
    ClientQuery,
    ClientRow,
    Counts,
    GroupCounts,
    Imported,
    MailingRow,
    MessageQuery,
    Page,
    RequestKey,
)
from tests.store.world import (
    BY,
    END,
    NOW,
    START,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    record,
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


FIELDS: Final = [field.name for field in fields(ClientInput)]


def patch(number: int, **said: Any) -> ClientPatch:
    """A row that says only so much of client ``number``."""
    whole = ClientInput(79160000000 + number, "916", "", "UTC")
    unsaid = tuple(name for name in FIELDS if name != "phone_number" and name not in said)
    return ClientPatch(replace(whole, **said), unsaid)


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


async def test_a_mailing_comes_back_as_it_was_given(store: Store) -> None:
    hours = LocalHours(9 * 60, 21 * 60)
    given = MailingInput("Привет 👋", AudienceFilter(("é", '"'), ("916",)), START, END, hours, 2.5, "not_sent")
    made = (await store.create_mailing(given, by=BY, now_us=NOW)).row
    assert (made.text, made.filter, made.local_hours, made.rate_limit) == (given.text, given.filter, hours, 2.5)
    assert await store.get_mailing(made.id) == made
    (plan,) = await store.plans(NOW)
    assert (plan.text, plan.filter, plan.local_hours, plan.on_uncertain.value) == (
        given.text,
        given.filter,
        hours,
        "not_sent",
    )


async def test_a_request_id_makes_a_create_repeatable(store: Store) -> None:
    request = RequestKey("r1", "CreateMailing", "abc")
    given = MailingInput("hi", AudienceFilter(("a",)), START, END, LocalHours(1, 2), 1.5, "resend")
    first = await store.create_mailing(given, by=BY, now_us=NOW, request=request)
    await store.set_paused(first.row.id, True, by=BY, now_us=NOW)
    again = await store.create_mailing(given, by=BY, now_us=NOW + 5, request=request)
    assert (again.row, again.replayed, first.replayed) == (first.row, True, False)
    with pytest.raises(Conflict, match="request id"):
        await store.create_mailing(given, by=BY, now_us=NOW, request=RequestKey("r1", "CreateMailing", "other"))
    key = RequestKey("r2", "CreateClient", "abc")
    person = await store.create_client(client(1), by=BY, now_us=NOW, request=key)
    assert (await store.create_client(client(1), by=BY, now_us=NOW, request=key)).row == person.row
    for method, find, row in (
        ("CreateMailing", store.created_mailing, first.row),
        ("CreateClient", store.created_client, person.row),
    ):
        number = "r1" if method == "CreateMailing" else "r2"
        assert await find(RequestKey(number, method, "abc")) == row
        assert await find(RequestKey("r3", method, "abc")) is None
        with pytest.raises(Conflict, match="request id"):
            await find(RequestKey(number, method, "other"))
    assert await store.forget_requests(NOW) == 0
    assert [await store.forget_requests(NOW + 1, 1) for _ in range(3)] == [1, 1, 0]
    with pytest.raises(Conflict, match="phone number"):
        await store.create_client(client(1), by=BY, now_us=NOW, request=key)


async def test_mailings_are_listed_by_state_newest_first(store: Store) -> None:
    active = await add_mailing(store)
    scheduled = await add_mailing(store, mailing(start_us=NOW + 1))
    ended = await add_mailing(store, mailing(end_us=NOW))
    paused = await add_mailing(store)
    cancelled = await add_mailing(store)
    deleted = await add_mailing(store)
    await store.set_paused(paused, True, by=BY, now_us=NOW)
    await store.set_cancelled(cancelled, by=BY, now_us=NOW)
    await store.delete_mailing(deleted, by=BY, now_us=NOW)
    expected = {"active": active, "scheduled": scheduled, "ended": ended, "paused": paused, "cancelled": cancelled}
    for state, mailing_id in expected.items():
        found = await store.list_mailings(MailingState(state), Page(), now_us=NOW)
        assert [(row.id, row.state(NOW)) for row in found.items] == [(mailing_id, state)]
    first = await store.list_mailings(None, Page(3), now_us=NOW)
    rest = await store.list_mailings(None, Page(3, first.next_after), now_us=NOW)
    assert [row.id for row in (*first.items, *rest.items)] == sorted(expected.values(), reverse=True)
    assert (first.total, rest.next_after) == (5, None)


@pytest.mark.parametrize("how", ["ended", "cancelled"])
async def test_rule_14_an_ended_or_cancelled_mailing_is_read_only_but_may_be_deleted(store: Store, how: str) -> None:
    mailing_id = await add_mailing(store, mailing(end_us=NOW if how == "ended" else END))
    if how == "cancelled":
        row = (await store.set_cancelled(mailing_id, by=BY, now_us=NOW)).row
        assert (await store.set_cancelled(mailing_id, by=BY, now_us=NOW + 1)).row == row
    else:
        with pytest.raises(ReadOnly, match="it is ended"):
            await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    with pytest.raises(ReadOnly, match=str(mailing_id)):
        await store.update_mailing(mailing_id, lambda old: mailing(), by=BY, now_us=NOW)
    with pytest.raises(ReadOnly):
        await store.set_paused(mailing_id, True, by=BY, now_us=NOW)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    for attempt in (
        store.get_mailing(mailing_id),
        store.mailing_stats(mailing_id),
        store.delete_mailing(mailing_id, by=BY, now_us=NOW),
        store.set_paused(mailing_id, False, by=BY, now_us=NOW),
    ):
        with pytest.raises(NotFound, match="mailing"):
            await attempt


async def test_rule_14_times_text_and_rate_may_be_edited_without_building_again(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)

    def later(old: MailingRow) -> MailingInput:
        return mailing(text="other", start_us=NOW + 5, end_us=END + 5)

    changed = await store.update_mailing(mailing_id, later, by=BY, now_us=NOW)
    assert (changed.text, changed.start_us, changed.audience_state.value) == ("other", NOW + 5, "ready")
    assert await claim(store, mailing_id, owner) == []
    assert len(await claim(store, mailing_id, owner, now_us=NOW + 5)) == 1


async def test_messages_are_listed_with_filters_and_totals(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 6)
    other = await add_mailing(store)
    claims = await claim(store, mailing_id, owner, 4)
    await record(store, owner, claims[:2], Event.ACCEPT)
    await record(store, owner, claims[2:3], Event.REJECT)
    for query, number in (
        (MessageQuery(), 12),
        (MessageQuery(mailing_id=mailing_id), 6),
        (MessageQuery(mailing_id=mailing_id, status="pending"), 3),
        (MessageQuery(status="pending"), 9),
        (MessageQuery(mailing_id=mailing_id, status="sent"), 2),
        (MessageQuery(mailing_id=mailing_id, status="not_sent"), 1),
        (MessageQuery(reason=Reason.REJECTED), 1),
        (MessageQuery(mailing_id=other, reason=Reason.REJECTED), 0),
        (MessageQuery(status="sent", reason=Reason.REJECTED), 0),
        (MessageQuery(client_id=claims[0].client_id), 2),
        (MessageQuery(client_id=claims[0].client_id, status="sent"), 1),
        (MessageQuery(mailing_id=404), 0),
    ):
        found = await store.list_messages(query, Page())
        assert (found.total, len(found.items)) == (number, number), query
    page = await store.list_messages(MessageQuery(mailing_id=mailing_id), Page(4))
    assert (len(page.items), page.total, page.next_after) == (4, 6, page.items[-1].id)
    with pytest.raises(NotFound, match="message 404"):
        await store.get_message(404)


async def test_statistics_by_group(store: Store) -> None:
    await store.import_clients([client(1, "a", "916"), client(2, "b", "903", "Asia/Omsk")], by=BY, now_us=NOW)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner, 1)
    await record(store, owner, [taken], Event.ACCEPT)
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown is not None
    assert stats.breakdown.by_tag == {"a": GroupCounts(0, 1, 0), "b": GroupCounts(1, 0, 0)}
    assert stats.breakdown.by_phone_code == {"916": GroupCounts(0, 1, 0), "903": GroupCounts(1, 0, 0)}
    assert stats.breakdown.by_time_zone == {"UTC": GroupCounts(0, 1, 0), "Asia/Omsk": GroupCounts(1, 0, 0)}
    assert stats.mailing.counts == Counts(pending=1, sent=1)


async def test_engines_and_control(store: Store) -> None:
    first = await store.register_engine("a:1", 4, NOW, NOW - 10)
    await store.set_control(workers=7, provider_rate=0.0, sending_paused=True, by=BY, now_us=NOW)
    second = await store.register_engine("b:2", 5, NOW + 1, NOW - 10)
    control = await store.heartbeat(second, NOW + 2, NOW - 10, seen_revision=3, workers=6, in_flight=2)
    assert (control.workers, control.provider_rate, control.sending_paused) == (7, 0.0, True)
    assert [(engine.engine_id, engine.workers, engine.in_flight) for engine in control.engines] == [
        (first, 4, 0),
        (second, 6, 2),
    ]
    assert await store.read_control(NOW - 10) == control
    assert [engine.engine_id for engine in (await store.read_control(NOW + 1)).engines] == [second]
    await store.retire_engine(second)
    after = await store.read_control(NOW - 10)
    assert after.revision > control.revision
    third = await store.register_engine("c:3", 5, NOW + 100, NOW + 50)  # nobody else is alive
    fresh = await store.read_control(NOW + 50)
    assert (fresh.workers, fresh.provider_rate, fresh.sending_paused) == (None, None, True)
    assert third > second


async def test_the_revision_grows_with_every_change_of_a_mailing(store: Store) -> None:
    async def revision() -> int:
        return (await store.read_control(0)).revision

    seen = [await revision()]
    mailing_id = await add_mailing(store, build=False)
    for change in (
        lambda: store.build_audience(mailing_id, 10, NOW, 0),
        lambda: store.update_mailing(mailing_id, lambda old: mailing(text="x"), by=BY, now_us=NOW),
        lambda: store.set_paused(mailing_id, True, by=BY, now_us=NOW),
        lambda: store.set_cancelled(mailing_id, by=BY, now_us=NOW),
        lambda: store.delete_mailing(mailing_id, by=BY, now_us=NOW),
    ):
        seen.append(await revision())
        await change()
    seen.append(await revision())
    assert sorted(set(seen)) == seen


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
    assert (events[0].actor, events[0].time_us, events[0].detail) == (BY.name, NOW + 9, {"workers": 3})
    assert "7916" not in repr(events)
    one = await store.list_audit(AuditQuery(object_type="mailing", object_id=mailing_id, actor=BY.name), Page(1))
    assert (len(one.items), one.total) == (1, 2)


async def test_check_finds_and_repairs_wrong_counters(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)

    async def spoil(tx: object) -> int:
        run = tx.run  # type: ignore[attr-defined]
        changed: int = await run("UPDATE mailing_counters SET sent = 7, pending = 1 WHERE mailing_id = ?", mailing_id)
        return changed

    await store._db.transaction(spoil)
    differences = await store.check()
    assert [(row.mailing_id, row.name, row.stored, row.counted) for row in differences] == [
        (mailing_id, "pending", 1, 3),
        (mailing_id, "sent", 7, 0),
    ]
    assert await counts(store, mailing_id) == Counts(pending=3)


async def test_check_makes_a_row_of_counters_that_is_gone(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)

    async def remove(tx: Tx) -> int:
        return await tx.run("DELETE FROM mailing_counters")

    await store._db.transaction(remove)
    found = [(each.name, each.stored, each.counted) for each in await store.check()]
    assert found == [("its row of counters", 0, 1), ("pending", 0, 3)]
    assert (await counts(store, mailing_id)).pending == 3
