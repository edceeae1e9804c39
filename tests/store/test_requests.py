"""Requests with a request id: the first answer again, in the same process, after a crash, and from two sides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.domain.errors import Conflict, InvalidInput, NotFound, ReadOnly
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import AudienceState
from engine.store import Store
from engine.store.client_rows import ClientQuery, ClientRow
from engine.store.rows import AuditQuery, Changed, Counts, MailingRow, Page, RequestKey
from tests.store.conftest import Opener
from tests.store.world import (
    BY,
    END,
    NOW,
    a_mailing_with,
    add_clients,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    release,
)

KEY = RequestKey("r", "Do", "this")
Change = Callable[[Store, int, int, RequestKey | None], Awaitable[Changed]]


async def pause(store: Store, mailing_id: int, now_us: int, request: RequestKey | None) -> Changed:
    return await store.set_paused(mailing_id, True, by=BY, now_us=now_us, request=request)


async def resume(store: Store, mailing_id: int, now_us: int, request: RequestKey | None) -> Changed:
    return await store.set_paused(mailing_id, False, by=BY, now_us=now_us, request=request)


async def cancel(store: Store, mailing_id: int, now_us: int, request: RequestKey | None) -> Changed:
    return await store.set_cancelled(mailing_id, by=BY, now_us=now_us, request=request)


async def archive(store: Store, mailing_id: int, now_us: int, request: RequestKey | None) -> Changed:
    return await store.set_archived(mailing_id, True, by=BY, now_us=now_us, request=request)


async def unarchive(store: Store, mailing_id: int, now_us: int, request: RequestKey | None) -> Changed:
    return await store.set_archived(mailing_id, False, by=BY, now_us=now_us, request=request)


CHANGES = pytest.mark.parametrize("change", [pause, resume, cancel])


async def seen(store: Store, mailing_id: int) -> tuple[MailingRow, int, int]:
    """All that a change leaves behind: the mailing, how many audit events, the revision."""
    events = (await store.list_audit(AuditQuery(), Page(1))).total
    return await store.get_mailing(mailing_id), events, (await store.read_control(0)).revision


@CHANGES
async def test_a_repeated_change_gets_the_first_answer_and_does_nothing(store: Store, change: Change) -> None:
    await add_clients(store, 2)
    mailing_id = await add_mailing(store)
    if change is resume:
        await pause(store, mailing_id, NOW, None)
    first = await change(store, mailing_id, NOW, KEY)
    assert (first.row, first.answer_us, first.replayed) == (await store.get_mailing(mailing_id), NOW, False)
    if change is not cancel:  # somebody else wants it the other way
        await (resume if change is pause else pause)(store, mailing_id, NOW + 1, None)
    before = await seen(store, mailing_id)
    assert await change(store, mailing_id, NOW + 2, KEY) == Changed(first.row, NOW, replayed=True)
    assert await seen(store, mailing_id) == before


@pytest.mark.parametrize("change", [archive, unarchive])
async def test_a_repeated_look_into_the_archive_gets_the_first_answer_and_does_nothing(
    store: Store, change: Change
) -> None:
    mailing_id = await add_mailing(store)
    back = unarchive if change is archive else archive
    await cancel(store, mailing_id, NOW, None)
    if change is unarchive:
        await archive(store, mailing_id, NOW, None)
    first = await change(store, mailing_id, NOW + 1, KEY)
    assert (first.row, first.answer_us, first.replayed) == (await store.get_mailing(mailing_id), NOW + 1, False)
    await back(store, mailing_id, NOW + 2, None)
    before = await seen(store, mailing_id)
    assert await change(store, mailing_id, NOW + 3, KEY) == Changed(first.row, NOW + 1, replayed=True)
    assert await seen(store, mailing_id) == before
    with pytest.raises(Conflict, match="request id"):
        await back(store, mailing_id, NOW + 3, RequestKey("r", "Undo", "this"))


@CHANGES
async def test_a_change_repeated_after_a_crash_gets_the_first_answer(
    store: Store, open_store: Opener, change: Change
) -> None:
    """The engine ends between the commit and the answer; the caller repeats its call with the next one."""
    await add_clients(store, 2)
    mailing_id = await add_mailing(store)
    first = await change(store, mailing_id, NOW, KEY)
    await store.close()
    again = await open_store()
    before = await seen(again, mailing_id)
    assert await change(again, mailing_id, NOW + 1, KEY) == Changed(first.row, NOW, replayed=True)
    assert await seen(again, mailing_id) == before


async def test_a_create_repeated_after_a_crash_gets_the_first_answer(store: Store, open_store: Opener) -> None:
    keys = [RequestKey(f"r{number}", "Create", "x") for number in range(2)]
    person = await store.create_client(client(1), by=BY, now_us=NOW, request=keys[0])
    made = await store.create_mailing(mailing(), by=BY, now_us=NOW, request=keys[1])
    await store.close()
    again = await open_store()
    same = await again.create_client(client(1), by=BY, now_us=NOW + 1, request=keys[0])
    assert (same.row, same.replayed) == (person.row, True)
    repeated = await again.create_mailing(mailing(), by=BY, now_us=NOW + 1, request=keys[1])
    assert (repeated.row, repeated.replayed) == (made.row, True)
    assert (await again.list_clients(ClientQuery(), Page())).total == 1
    assert (await again.list_mailings(None, Page(), now_us=NOW)).total == 1


@CHANGES
async def test_the_first_answer_is_given_although_it_could_not_be_done_now(store: Store, change: Change) -> None:
    ended, deleted = await add_mailing(store), await add_mailing(store)
    keys = {ended: KEY, deleted: RequestKey("r2", "Do", "that")}
    first = {mailing_id: await change(store, mailing_id, NOW, key) for mailing_id, key in keys.items()}
    await store.delete_mailing(deleted, by=BY, now_us=NOW)
    for mailing_id, key in keys.items():
        assert (await change(store, mailing_id, END, key)).row == first[mailing_id].row
    with pytest.raises(NotFound):
        await change(store, deleted, NOW, RequestKey("r3", "Do", "that"))
    other = await add_mailing(store)
    with pytest.raises(ReadOnly):
        await change(store, other, END, RequestKey("r4", "Do", "that"))


@CHANGES
async def test_a_refused_change_leaves_no_answer_behind(store: Store, change: Change) -> None:
    with pytest.raises(NotFound):
        await change(store, 1, NOW, KEY)
    mailing_id = await add_mailing(store)
    assert not (await change(store, mailing_id, NOW, KEY)).replayed


@CHANGES
@pytest.mark.parametrize("other", [RequestKey("r", "Do", "that"), RequestKey("r", "Undo", "this")])
async def test_an_id_that_was_used_for_another_change_is_refused(
    store: Store, change: Change, other: RequestKey
) -> None:
    one, two = await add_mailing(store), await add_mailing(store)
    await change(store, one, NOW, KEY)
    before = await seen(store, two)
    with pytest.raises(Conflict, match="request id") as caught:
        await change(store, two, NOW, other)
    assert caught.value.field == "request_id"
    assert await seen(store, two) == before


@CHANGES
async def test_of_two_at_the_same_time_one_does_it(store: Store, change: Change) -> None:
    mailing_id = await add_mailing(store)
    answers = await asyncio.gather(*(change(store, mailing_id, NOW + number, KEY) for number in range(8)))
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7
    assert len({(answer.row.update_us, answer.answer_us) for answer in answers}) == 1


async def test_an_answer_can_be_amended_before_it_is_given(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    taken = await claim(store, mailing_id, owner, 1)
    first = await cancel(store, mailing_id, NOW, KEY)
    assert first.row.counts == Counts(pending=1, cancelled=2)
    await release(store, owner, taken)
    row = await store.get_mailing(mailing_id)
    await store.amend_answer(RequestKey("r", "Do", "that"), first)  # not its answer
    assert (await cancel(store, mailing_id, NOW, KEY)).row == first.row
    await store.amend_answer(KEY, row)
    assert (await cancel(store, mailing_id, NOW, KEY)).row == row
    assert row.counts == await counts(store, mailing_id) == Counts(cancelled=3)


async def test_an_answer_of_several_transactions_is_stored_once(store: Store, open_store: Opener) -> None:
    assert await store.stored_answer(KEY) is None
    assert not await store.request_known(KEY.request_id, KEY.method)
    assert await store.answer_once(KEY, {"rows": [1, "a"]}, NOW) == {"rows": [1, "a"]}
    assert await store.answer_once(KEY, {"rows": []}, NOW) == {"rows": [1, "a"]}
    await store.close()
    again = await open_store()
    assert await again.stored_answer(KEY) == {"rows": [1, "a"]}
    assert await again.request_known(KEY.request_id, KEY.method)
    other_rows = RequestKey(KEY.request_id, KEY.method, "others")
    for attempt in (
        again.answer_once(other_rows, {}, NOW),
        again.stored_answer(other_rows),
        again.request_known(KEY.request_id, "Undo"),
    ):
        with pytest.raises(Conflict, match="request id"):
            await attempt
    assert await again.forget_requests(NOW + 1) == 1
    assert not await again.request_known(KEY.request_id, KEY.method)


# -- only checking -----------------------------------------------------------------------------


async def test_what_a_client_would_be_is_told_and_not_stored(store: Store) -> None:
    made = (await store.create_client(client(1), by=BY, now_us=NOW)).row
    assert await store.would_create_client(client(2), now_us=NOW) == ClientRow(
        0, 79160000002, "916", "new", "UTC", NOW, NOW
    )
    changed = await store.would_update_client(made.id, lambda old: client(2, "x"), now_us=NOW + 1)
    assert changed == ClientRow(made.id, 79160000002, "916", "x", "UTC", NOW, NOW + 1)
    assert await store.would_update_client(made.id, lambda old: client(1), now_us=NOW + 1) == made
    found = await store.list_clients(ClientQuery(), Page())
    assert (found.items, (await store.list_audit(AuditQuery(), Page())).total) == ((made,), 1)


async def test_what_a_client_could_not_be_is_refused(store: Store) -> None:
    made = (await store.create_client(client(1), by=BY, now_us=NOW)).row
    await store.create_client(client(2), by=BY, now_us=NOW)

    def refuse(old: ClientRow) -> ClientInput:
        raise InvalidInput([])

    for attempt, error in (
        (store.would_create_client(client(1), now_us=NOW), Conflict),
        (store.would_update_client(made.id, lambda old: client(2), now_us=NOW), Conflict),
        (store.would_update_client(made.id, refuse, now_us=NOW), InvalidInput),
        (store.would_update_client(404, lambda old: client(3), now_us=NOW), NotFound),
    ):
        with pytest.raises(error):
            await attempt


async def test_what_a_mailing_would_be_is_told_and_not_stored(store: Store) -> None:
    wanted = mailing(text="other")
    would = store.would_create_mailing(wanted, now_us=NOW)
    made = (await store.create_mailing(wanted, by=BY, now_us=NOW)).row
    assert (would.id, made) == (0, MailingRow(made.id, *[getattr(would, name) for name in would.__slots__[1:]]))
    while not await store.build_audience(made.id, 10, NOW, 0):
        pass
    before = await seen(store, made.id)

    def narrow(old: MailingRow) -> MailingInput:
        return mailing(filter=type(old.filter)(("a",)), text="third")

    def later(old: MailingRow) -> MailingInput:
        return mailing(text="third", end_us=END + 1)

    edits = (narrow, later)
    answers = [await store.would_update_mailing(made.id, edit, now_us=NOW + 1) for edit in edits]
    assert [each.audience_state for each in answers] == [AudienceState.BUILDING, AudienceState.READY]
    assert await seen(store, made.id) == before
    # As it really becomes.
    for edit, answer in zip(reversed(edits), reversed(answers), strict=True):
        assert await store.update_mailing(made.id, edit, by=BY, now_us=NOW + 1) == answer


async def test_what_a_mailing_could_not_be_is_refused(store: Store) -> None:
    mailing_id = await add_mailing(store)
    with pytest.raises(ReadOnly):
        await store.would_update_mailing(mailing_id, lambda old: mailing(), now_us=END)
    with pytest.raises(NotFound):
        await store.would_update_mailing(404, lambda old: mailing(), now_us=NOW)
