"""The stop list: no message of a listed number can be claimed, whoever writes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.errors import Conflict, NotFound
from engine.domain.message import Event, Reason, Status
from engine.domain.suppression import SuppressionReason
from engine.domain.time_text import format_rfc3339
from engine.ports import Claim
from engine.store import Store
from engine.store.client_rows import ClientQuery
from engine.store.database import Lane, Tx, Work
from engine.store.rows import AuditQuery, Counts, Page, RequestKey
from engine.store.suppression_rows import SuppressionQuery
from tests.store.conftest import Opener
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    messages,
    outcome,
    record,
    release,
    stop,
    suppress,
    unsuppress,
)

Change = Callable[[Store], Awaitable[object]]


async def fates(store: Store, mailing_id: int) -> dict[int, str]:
    """How the messages stand, by the number of their client; deleted clients are left out."""
    first = client(0).phone_number
    return {
        row.phone_number - first: row.reason.public if row.reason else row.status.public
        for row in await messages(store, mailing_id)
        if row.phone_number is not None
    }


async def import_them(store: Store) -> object:
    return await store.import_suppressions([stop(1), stop(7), stop(1)], by=BY, now_us=NOW)


async def add_it(store: Store) -> object:
    return await suppress(store, 1)


@pytest.mark.parametrize("put", [add_it, import_them])
async def test_what_waits_becomes_suppressed_with_counters(store: Store, put: Change) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)
    later = await add_mailing(store, mailing(start_us=NOW + 10))
    over = await add_mailing(store, mailing(end_us=NOW))
    await put(store)
    for each in (mailing_id, later):
        assert await fates(store, each) == {0: "pending", 1: "suppressed", 2: "pending"}
        assert await counts(store, each) == Counts(pending=2, suppressed=1)
    (row,) = [row for row in await messages(store, mailing_id) if row.reason is Reason.SUPPRESSED]
    assert (row.final_us, row.attempts, row.next_attempt_us) == (NOW, 0, None)
    assert await fates(store, over) == {0: "pending", 1: "pending", 2: "pending"}  # it expires


async def test_a_message_that_may_have_arrived_ends_as_uncertain(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    taken = await claim(store, mailing_id, owner)
    await record(store, owner, taken[:1], Event.MISS, due_us=NOW + 5)
    await record(store, owner, taken[1:], Event.DEFER, due_us=NOW + 5)
    await suppress(store, 0)
    await suppress(store, 1)
    assert await fates(store, mailing_id) == {0: "uncertain", 1: "suppressed"}
    assert await counts(store, mailing_id) == Counts(uncertain=1, suppressed=1)


@pytest.mark.parametrize(
    ("event", "fate"),
    [
        (Event.ACCEPT, "sent"),
        (Event.REJECT, "rejected"),
        (Event.DEFER, "suppressed"),
        (Event.MISS, "uncertain"),
        (Event.RELEASE, "suppressed"),
    ],
)
async def test_a_call_under_way_ends_as_it_ends_and_is_not_tried_again(store: Store, event: Event, fate: str) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    steps: list[str] = []
    store.on_step = lambda step, number: steps.extend([(step.reason or step.status).name.lower()] * number)
    await suppress(store, 0)
    assert await fates(store, mailing_id) == {0: "pending"}
    assert await store.outdated([taken], owner=owner) == {taken.message_id}
    if event is Event.RELEASE:
        assert await release(store, owner, [taken]) == 1
    else:
        assert await record(store, owner, [taken], event, due_us=NOW) == 1
        assert await store.fenced([outcome(taken, event)]) == 0
    assert await fates(store, mailing_id) == {0: fate}
    assert steps == [fate]
    assert await claim(store, mailing_id, owner) == []
    (row,) = await messages(store, mailing_id)
    assert row.attempts == (0 if event is Event.RELEASE else 1)
    assert (await counts(store, mailing_id)).total == 1


@pytest.mark.parametrize(("marks", "fate"), [("resend", "uncertain"), ("not_sent", "suppressed")])
async def test_a_claim_of_an_engine_that_died(store: Store, marks: str, fate: str) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(on_uncertain=marks)), await add_engine(store)
    await claim(store, mailing_id, owner)
    await suppress(store, 0)
    assert await store.recover(LEASE, 10, expired_only=True) == 1
    assert await fates(store, mailing_id) == {0: fate}
    assert (await counts(store, mailing_id)).total == 1


async def _build_it(store: Store) -> int:
    return await add_mailing(store)


async def _create_it(store: Store) -> int:
    mailing_id = await add_mailing(store)
    (old,) = (await store.list_clients(ClientQuery(phone_number=client(0).phone_number), Page())).items
    await store.delete_client(old.id, by=BY, now_us=NOW)
    await store.create_client(client(0), by=BY, now_us=NOW)
    return mailing_id


async def _import_it(store: Store) -> int:
    mailing_id = await add_mailing(store, mailing(AudienceFilter(("vip",))))
    await store.import_clients([client(0, "vip"), client(1, "vip")], by=BY, now_us=NOW)
    return mailing_id


async def _edit_filter(store: Store) -> int:
    mailing_id = await add_mailing(store, mailing(AudienceFilter(("vip",))))
    await store.update_mailing(mailing_id, lambda _: mailing(), by=BY, now_us=NOW)
    while not await store.build_audience(mailing_id, 1, NOW, LONG_AGO):
        pass
    return mailing_id


@pytest.mark.parametrize("make", [_build_it, _create_it, _import_it, _edit_filter])
async def test_while_a_number_is_listed_no_message_is_made_for_it(
    store: Store, make: Callable[[Store], Awaitable[int]]
) -> None:
    await add_clients(store, 2)
    await suppress(store, 0)
    mailing_id = await make(store)
    assert await fates(store, mailing_id) == {1: "pending"}
    await unsuppress(store, 0)  # and then it is reached
    assert await fates(store, mailing_id) == {0: "pending", 1: "pending"}
    assert await counts(store, mailing_id) == Counts(pending=2)


async def test_taking_a_number_off_reaches_nobody_who_has_a_final_message(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    (first, second) = await claim(store, mailing_id, owner)
    await record(store, owner, [first], Event.ACCEPT)
    await suppress(store, 0)
    await suppress(store, 1)
    await unsuppress(store, 1)  # before the engine has given it back: it may go on
    assert await store.outdated([second], owner=owner) == set()
    await suppress(store, 1)
    await release(store, owner, [second])
    for number in (0, 1):
        await unsuppress(store, number)
    assert await fates(store, mailing_id) == {0: "sent", 1: "suppressed"}
    with pytest.raises(NotFound, match=r"suppression 7916\*{5}01 does not exist"):
        await unsuppress(store, 1)


async def test_a_client_that_changes_its_number_to_a_listed_one_and_back(store: Store) -> None:
    ids = await add_clients(store, 2)
    await suppress(store, 0)
    await suppress(store, 9)
    mailing_id = await add_mailing(store)
    for client_id, number in ((ids[1], 9), (ids[0], 5)):
        await store.update_client(client_id, lambda _, n=number: client(n), by=BY, now_us=NOW)  # type: ignore[misc]
    assert await fates(store, mailing_id) == {9: "suppressed", 5: "pending"}
    assert await counts(store, mailing_id) == Counts(pending=1, suppressed=1)


async def test_deleting_and_importing_the_client_changes_nothing(store: Store) -> None:
    ids = await add_clients(store, 1)
    await suppress(store, 0)
    mailing_id = await add_mailing(store)
    await store.delete_clients(ids, by=BY, now_us=NOW)
    await add_clients(store, 1)
    assert await fates(store, mailing_id) == {}
    assert await store.listed([client(0).phone_number, client(1).phone_number]) == {client(0).phone_number}


async def test_a_stop_word_that_is_handed_in_again_is_answered_as_at_first(store: Store) -> None:
    async def receive(digest: str, answer: str) -> object:
        key = RequestKey("a", "ReceiveText", digest)
        done = await store.receive_stop_word(stop(1), by=BY, now_us=NOW, sent_us=NOW, request=key, answer=answer)
        return done.answer

    assert await receive("1", "first") == "first"
    assert await receive("1", "second") == "first"
    (event,) = (await store.list_audit(AuditQuery(object_type="suppression"), Page())).items
    assert event.action == "suppression.add"
    assert event.detail["sent_time"] == format_rfc3339(NOW)
    with pytest.raises(Conflict):
        await receive("2", "third")


async def test_the_first_entry_stays_and_a_repeat_gets_the_first_answer(store: Store) -> None:
    key = RequestKey("a", "CreateSuppression", "1")
    made = await store.add_suppression(stop(1, SuppressionReason.COMPLAINT), by=BY, now_us=NOW, request=key)
    again = await store.add_suppression(stop(1), by=BY, now_us=END)
    assert (made.is_new, again.is_new, again.row) == (True, False, made.row)
    assert (made.row.reason, made.row.create_us) == (SuppressionReason.COMPLAINT, NOW)
    await unsuppress(store, 1)
    repeated = await store.add_suppression(stop(1), by=BY, now_us=END, request=key)
    assert (repeated.row, repeated.is_new) == (made.row, True)
    assert await store.listed([made.row.phone_number]) == set()
    with pytest.raises(Conflict):
        await store.add_suppression(stop(1), by=BY, now_us=END, request=RequestKey("a", "CreateSuppression", "2"))

    async def answers(tx: Tx) -> str:
        return str(await tx.rows("SELECT response FROM request"))

    assert str(made.row.phone_number) not in await store._db.read(answers)


async def test_the_audit_list_has_masked_numbers_only(store: Store) -> None:
    await suppress(store, 1)
    await suppress(store, 1)
    await import_them(store)
    await unsuppress(store, 1)
    events = (await store.list_audit(AuditQuery(object_type="suppression"), Page())).items
    assert [(event.action, event.detail) for event in reversed(events)] == [
        ("suppression.add", {"phone_number": "7916*****01", "reason": "manual", "source": "api"}),
        ("suppression.import", {"created": 1, "unchanged": 2}),
        ("suppression.remove", {"phone_number": "7916*****01"}),
    ]


async def test_lists_and_exports(store: Store) -> None:
    entries = [stop(number, SuppressionReason(1 + number % 4)) for number in (5, 3, 4, 1)]
    for entry in entries:
        note = "Просил по телефону" if entry == entries[1] else ""
        await store.add_suppression(replace(entry, note=note), by=BY, now_us=NOW)

    async def found(query: SuppressionQuery, page: Page) -> tuple[list[int], int]:
        part = await store.list_suppressions(query, page)
        return [row.phone_number % 10 for row in part.items], part.total

    first = await store.list_suppressions(SuppressionQuery(), Page(3))
    assert [row.phone_number % 10 for row in first.items] == [1, 4, 3]
    assert first.next_after == first.items[-1].id
    assert await found(SuppressionQuery(), Page(3, first.next_after)) == ([5], 4)
    assert await found(SuppressionQuery(), Page(descending=False)) == ([5, 3, 4, 1], 4)
    assert await found(SuppressionQuery(phone_number=stop(3).phone_number), Page()) == ([3], 1)
    assert await found(SuppressionQuery(reason=SuppressionReason.COMPLAINT), Page()) == ([1, 5], 2)
    assert await found(SuppressionQuery(phone_contains="0004"), Page()) == ([4], 1)
    assert await found(SuppressionQuery(search="ПРОСИЛ"), Page()) == ([3], 1)
    assert await found(SuppressionQuery(search="%"), Page()) == ([], 0)
    pages = [[row.phone_number % 10 for row in rows] async for rows in store.export_suppressions(SuppressionQuery(), 3)]
    assert pages == [[5, 3, 4], [1]]


async def test_an_audience_is_counted_without_those_on_the_list(store: Store) -> None:
    await store.import_clients(
        [client(n, "ab"[n % 2], time_zone=("UTC", "Asia/Omsk")[n > 2]) for n in range(6)], by=BY, now_us=NOW
    )
    for number in (0, 3, 4, 77):
        await suppress(store, number)
    everybody, some = AudienceFilter(), AudienceFilter(("a",))
    found = await store.audience_by_zone(everybody)
    assert (found.by_zone, found.size, found.suppressed) == ({"UTC": 2, "Asia/Omsk": 1}, 3, 3)
    found = await store.audience_by_zone(some, by_zone=False)
    assert (found.by_zone, found.suppressed) == ({"UTC": 1}, 2)
    mailing_id = await add_mailing(store)
    await unsuppress(store, 0)
    await suppress(store, 0)  # it has its final message there
    assert (await store.audience_by_zone(everybody, unsent_of=mailing_id)).suppressed == 2


@pytest.mark.parametrize("suppressing", [True, False])
async def test_erasing_a_client_tells_what_went_and_what_stays(store: Store, suppressing: bool) -> None:
    (client_id,) = await add_clients(store, 1)
    made = [await add_mailing(store) for _ in range(4)]
    owner = await add_engine(store)
    (sent,) = await claim(store, made[0], owner)
    await record(store, owner, [sent], Event.ACCEPT)
    (missed,) = await claim(store, made[1], owner)
    await record(store, owner, [missed], Event.MISS, due_us=NOW)
    (held,) = await claim(store, made[2], owner)
    key = RequestKey("a", "EraseClient", "1")
    erased = await store.erase_client(client_id, suppress=suppressing, by=BY, now_us=NOW, request=key)
    assert await store.erase_client(client_id, suppress=suppressing, by=BY, now_us=END, request=key) == erased
    assert (erased.removed, erased.kept, erased.in_hand, erased.is_suppressed) == (1, 2, 1, suppressing)
    await release(store, owner, [held])
    assert [len(await messages(store, each)) for each in made] == [1, 1, 0, 0]
    listed = (await store.list_suppressions(SuppressionQuery(), Page())).items
    assert [(row.phone_number, row.reason, row.source) for row in listed] == [
        (client(0).phone_number, SuppressionReason.OPT_OUT, "erase")
    ] * suppressing
    with pytest.raises(NotFound):
        await store.erase_client(client_id, suppress=suppressing, by=BY, now_us=NOW)
    await add_clients(store, 1)
    assert len(await messages(store, made[3])) == (0 if suppressing else 1)
    assert await store.check() == []


# -- several engines, and everybody at the same time ------------------------------------------------
@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_other_engines_are_told_if_they_have_a_claim(open_store: Opener) -> None:
    asked, other = await open_store(), await open_store()
    await add_clients(asked, 3)
    mailing_id = await add_mailing(asked)
    mine, theirs = await add_engine(asked), await add_engine(other)
    told: list[int] = []
    asked.on_owners_told = told.append
    numbers = [taken.phone_number - client(0).phone_number for taken in await claim(other, mailing_id, theirs, 1)]
    numbers += [taken.phone_number - client(0).phone_number for taken in await claim(asked, mailing_id, mine, 1)]
    await suppress(asked, numbers[1])
    assert told == []
    await suppress(asked, numbers[0])
    assert len(told) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("making", [_build_it, _import_it, _edit_filter])
async def test_nobody_makes_a_message_between_the_list_and_the_end_of_its_transaction(
    open_store: Opener, making: Callable[[Store], Awaitable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes messages waits for a transaction that changes the list, and sees what it has done."""
    asked, other = await open_store(), await open_store()
    await add_clients(asked, 2)
    has_it, let_go, commit = asyncio.Event(), asyncio.Event(), asked._db.transaction

    async def slow(work: Work[Any], lane: Lane = Lane.API) -> Any:
        async def slowly(tx: Tx) -> Any:
            done = await work(tx)
            has_it.set()
            await let_go.wait()
            return done

        return await commit(slowly, lane)

    monkeypatch.setattr(asked._db, "transaction", slow)
    putting = asyncio.create_task(suppress(asked, 0))
    await has_it.wait()
    doing = asyncio.ensure_future(making(other))
    await asyncio.sleep(0.2)
    assert not doing.done()
    let_go.set()
    await putting
    assert await fates(other, await doing) == {1: "pending"}


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_every_claim_made_while_numbers_are_listed_is_told(open_store: Opener) -> None:
    """60 numbers are listed one after the other while an engine claims their messages and another one builds: when a
    number is on the list, each claim of it has been told, and nothing of it can be claimed any more."""
    asked, other, builder = await open_store(), await open_store(), await open_store()
    await add_clients(asked, 60)
    mailing_id, owner = await add_mailing(asked), await add_engine(other)
    await add_engine(asked)
    told: list[int] = []
    asked.on_owners_told = told.append
    claims: list[Claim] = []
    was_told: dict[int, bool] = {}

    async def send() -> None:
        while taken := await claim(other, mailing_id, owner, 2):
            claims.extend(taken)

    async def build() -> None:
        for _ in range(5):
            await builder.update_mailing(mailing_id, lambda _: mailing(text="x"), by=BY, now_us=NOW)
            await add_mailing(builder)

    async def put() -> None:
        for number in range(60):
            before = len(told)
            await suppress(asked, number)
            was_told[client(number).phone_number] = len(told) > before

    await asyncio.gather(send(), build(), put())
    outdated = await other.outdated(claims, owner=owner)
    assert {taken.message_id for taken in claims} == outdated
    assert all(was_told[taken.phone_number] for taken in claims)
    assert [row for row in await messages(asked) if row.status is Status.PENDING] == []
