"""engine/store/mailings.py: mailings that are registered, listed and changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.errors import Conflict, NotFound, ReadOnly
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours, MailingState
from engine.store import Store
from engine.store.rows import (
    MailingRow,
    Page,
    RequestKey,
)
from tests.store.world import (
    BY,
    END,
    NOW,
    START,
    a_mailing_with,
    add_mailing,
    claim,
    client,
    mailing,
)


async def test_a_mailing_comes_back_as_it_was_given(store: Store) -> None:
    hours = LocalHours(9 * 60, 21 * 60)
    given = MailingInput("Привет 👋", AudienceFilter(("é", '"'), ("916",)), START, END, hours, 2.5, "not_sent")
    made = (await store.create_mailing(given, by=BY, now_us=NOW)).row
    assert (made.text, made.filter, made.local_hours, made.rate_limit) == (given.text, given.filter, hours, 2.5)
    assert await store.get_mailing(made.id) == made
    (plan,) = await store.plans(NOW)
    assert (plan.text, plan.local_hours, plan.on_uncertain.value) == (given.text, hours, "not_sent")


async def test_plans_that_have_not_changed_are_the_same_objects(store: Store) -> None:
    edited, other = await add_mailing(store), await add_mailing(store)
    before = {plan.mailing_id: plan for plan in await store.plans(NOW)}
    await store.set_paused(edited, True, by=BY, now_us=NOW)
    after = {plan.mailing_id: plan for plan in await store.plans(NOW)}
    assert after[other] is before[other]
    assert (before[edited].paused, after[edited].paused) == (False, True)


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


FOUND_BY = [
    ("скидка", {"Скидка"}),
    ("СКИДКА 50%", {"Скидка"}),
    ("straße", {"Straße"}),
    ("ΣΊΓΜΑ", {"σίγμα"}),
    ("50%_[a]*?\\", {"Скидка"}),
    ("%", {"Скидка"}),
    ("50_", set()),
    (".", set()),
    ("hello", {"Straße", "σίγμα", ""}),
    ("\n b", {"", "Скидка"}),
]


@pytest.mark.parametrize(("search", "found"), FOUND_BY)
async def test_mailings_are_found_by_name_and_text_in_either_case(store: Store, search: str, found: set[str]) -> None:
    for name, text in (
        ("Скидка", "Скидка 50%_[A]*?\\ до\n b"),
        ("Straße", "Hello"),
        ("σίγμα", "HELLO"),
        ("", "hello\n B"),
    ):
        await store.create_mailing(replace(mailing(text=text), name=name), by=BY, now_us=NOW)
    page = await store.list_mailings(None, Page(), now_us=NOW, search=search)
    assert {row.name for row in page.items} == found
    assert page.total == len(found)
    scheduled = await store.list_mailings(MailingState.SCHEDULED, Page(), now_us=NOW, search=search)
    assert scheduled.total == 0


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
