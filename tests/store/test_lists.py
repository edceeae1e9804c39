"""Any page of any list, in either order, is what a plain reading of all rows says it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from engine.domain.access import Role
from engine.domain.message import Event, Reason, Status
from engine.store import Store, client_list, message_list
from engine.store.client_rows import ClientQuery
from engine.store.rows import AuditQuery, MessageQuery, Page, PageOf
from tests.store.world import (
    BY,
    END,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    mailing,
    messages,
    record,
)

Lister = Callable[[Page], Awaitable[PageOf[Any]]]


async def check_pages(ids: list[int], read: Lister, *, newest_first: bool = False) -> None:
    """``ids``: of the whole list, ascending."""
    for size, skip, descending in product(
        (1, 2, 1000), {0, 1, 2, len(ids) - 1, len(ids), len(ids) + 1}, (None, False, True)
    ):
        if skip < 0:
            continue
        order = ids[::-1] if (newest_first if descending is None else descending) else ids
        found = await read(Page(size, None, skip, descending))
        expected = order[skip : skip + size]
        case = (size, skip, descending)
        assert [row.id for row in found.items] == expected, case
        assert found.total == len(ids), case
        assert found.next_after == (expected[-1] if expected and skip + size < len(ids) else None), case
    for descending in (False, True):
        order = ids[::-1] if descending else ids
        if len(order) > 3:
            beyond = await read(Page(2, order[0], 1, descending))
            assert [row.id for row in beyond.items] == order[2:4]


async def check_whole(ids: list[int], read: Lister) -> None:
    """The same of one page with all of it; its total and one row are those of a page, too."""
    whole, second = await read(Page(1000)), await read(Page(1, None, 1))
    assert [row.id for row in whole.items] == ids
    assert whole.total == second.total == len(ids)
    assert [row.id for row in second.items] == ids[1:2]


async def test_mailings_accounts_tokens_and_the_audit_list(store: Store) -> None:
    mailing_ids = [await add_mailing(store, build=False) for _ in range(5)]
    await check_pages(mailing_ids, lambda page: store.list_mailings(None, page, now_us=NOW), newest_first=True)
    for number in range(4):
        await store.create_account(f"anna{number}", Role.VIEWER, "hash", by=BY, now_us=NOW)
        await store.create_token(f"t{number}", Role.VIEWER, f"{number:064}", "", expire_us=None, by=BY, now_us=NOW)
    accounts = await store.list_accounts(Page(100))
    await check_pages([row.id for row in accounts.items], store.list_accounts)
    tokens = await store.list_tokens(Page(100))
    await check_pages([row.id for row in tokens.items], store.list_tokens)
    query = AuditQuery(object_type="mailing")
    events = await store.list_audit(query, Page(100))
    assert len(events.items) == 5
    await check_pages(
        sorted(row.id for row in events.items), lambda page: store.list_audit(query, page), newest_first=True
    )


async def add_various_clients(store: Store) -> None:
    rows = [client(n, "ab"[n % 2], ("916", "903")[n % 3 == 0], ("UTC", "Asia/Omsk")[n % 5 == 0]) for n in range(12)]
    await store.import_clients(rows, by=BY, now_us=NOW)


@pytest.mark.parametrize("lookups_max", [300_000, 2])
async def test_clients_with_every_filter(store: Store, lookups_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where so many match that an index is not worth its while."""
    monkeypatch.setattr(client_list, "_LOOKUPS_MAX", lookups_max)
    await add_various_clients(store)
    every = (await store.list_clients(ClientQuery(), Page(1000))).items
    assert len(every) == 12
    for tag, code, zone, part in product(
        ("a", None), ("903", None), ("UTC", None), ("0001", "79160000011", "555", None)
    ):
        query = ClientQuery(phone_code=code, tag=tag, time_zone=zone, phone_contains=part)
        wanted = {name: value for name, value in asdict(query).items() if value is not None}
        wanted = {name: value for name, value in wanted.items() if name not in ("phone_contains", "attributes")}
        ids = [
            row.id
            for row in every
            if all(getattr(row, name) == value for name, value in wanted.items())
            and (part is None or part in str(row.phone_number))
        ]
        await check_pages(ids, partial(store.list_clients, query))
        exported = [row.id async for page in store.export_clients(query, 5) for row in page]
        assert exported == ids


async def test_clients_by_number_and_more(store: Store) -> None:
    await add_various_clients(store)
    query = ClientQuery(phone_number=79160000004)
    (row,) = (await store.list_clients(query, Page())).items
    assert (await store.list_clients(replace(query, tag=row.tag, phone_contains="004"), Page())).total == 1
    assert (await store.list_clients(replace(query, tag="other"), Page())).total == 0


async def add_various_messages(store: Store) -> list[int]:
    """Three mailings with messages of every status and reason but ``cancelled``; a fourth one is deleted."""
    await add_clients(store, 9)
    mailing_ids = [await add_mailing(store, mailing(on_uncertain="not_sent")) for _ in range(4)]
    owner = await add_engine(store)
    first, second, third, gone = mailing_ids
    taken = await claim(store, first, owner, 6)
    await record(store, owner, taken[:3], Event.ACCEPT)
    await record(store, owner, taken[3:4], Event.REJECT)
    await store.begin(taken[4:5], owner=owner)
    await record(store, owner, await claim(store, second, owner, 2), Event.ACCEPT)
    await store.expire(second, 4, END)
    await record(store, owner, await claim(store, third, owner, 8), Event.ACCEPT)
    await record(store, owner, await claim(store, gone, owner, 4), Event.REJECT)
    await store.delete_mailing(gone, by=BY, now_us=NOW)
    return mailing_ids


@pytest.mark.parametrize("sorted_max", [400_000, 0])
async def test_messages_with_every_filter(store: Store, sorted_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_list, "_SORTED_MAX", sorted_max)
    mailing_ids = await add_various_messages(store)
    every = await messages(store)
    assert len(every) == 27
    assert {row.reason for row in every} == {None, Reason.REJECTED, Reason.EXPIRED}
    assert {row.status for row in every} >= {Status.PENDING, Status.CLAIMED, Status.CALLING}
    client_id = every[0].client_id
    statuses = (None, "pending", "sent", "not_sent")
    paged: set[tuple[bool, str | None, bool, bool]] = set()
    """Questions that differ in the ids only are one question to the database: it is cut into all pages once."""
    for mailing_id, status, reason, of in product(
        (None, *mailing_ids, 404), statuses, (None, *Reason), (None, client_id)
    ):
        query = MessageQuery(mailing_id, of, status, reason)
        ids = [
            row.id
            for row in every
            if mailing_id in (None, row.mailing_id)
            and status in (None, row.status.public)
            and reason in (None, row.reason)
            and of in (None, row.client_id)
        ]
        question = (mailing_id is None, status, reason is None, of is None)
        check = check_pages if ids and question not in paged else check_whole
        paged |= {question} if ids else set()
        await check(ids, partial(store.list_messages, query))
    assert len(paged) > 15


async def test_an_export_is_the_list_whole(store: Store) -> None:
    owner = await add_engine(store)
    await add_clients(store, 5)
    first, second = await add_mailing(store), await add_mailing(store)
    taken = await claim(store, first, owner)
    await record(store, owner, taken[:2], Event.ACCEPT)
    await record(store, owner, taken[2:3], Event.REJECT)
    gone = await add_mailing(store)
    await store.delete_mailing(gone, by=BY, now_us=NOW)
    for query in (
        MessageQuery(),
        MessageQuery(mailing_id=first),
        MessageQuery(mailing_id=second, status="pending"),
        MessageQuery(status="sent"),
        MessageQuery(mailing_id=first, reason=Reason.REJECTED),
        MessageQuery(mailing_id=first, status="sent", reason=Reason.REJECTED),
        MessageQuery(status="not_sent", reason=Reason.REJECTED),
        MessageQuery(client_id=taken[0].client_id),
        MessageQuery(mailing_id=gone),
    ):
        listed = (await store.list_messages(query, Page(1000))).items
        pages = [page async for page in store.export_messages(query, 2)]
        assert [row for page in pages for row in page] == list(listed)
        assert all(pages)


async def test_messages_while_no_mailing_is_being_removed(store: Store) -> None:
    """The short ways past the look at deleted mailings."""
    await add_clients(store, 4)
    mailing_ids = [await add_mailing(store) for _ in range(2)]
    every = [row.id for row in await messages(store)]
    assert len(every) == 8
    await check_pages(every, partial(store.list_messages, MessageQuery()))
    query = MessageQuery(mailing_ids[1])
    await check_pages(every[4:], partial(store.list_messages, query))
