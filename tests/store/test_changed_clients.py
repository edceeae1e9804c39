"""Rule 17: a client that one engine changes, while another one has a claim of a message of his."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.validate import ClientInput
from engine.ports import Claim
from engine.store import Store
from engine.store.client_rows import ClientChange
from engine.store.database import Tx
from tests.store.conftest import Opener
from tests.store.world import BY, NOW, add_clients, add_engine, add_mailing, claim, client, mailing, record, release


def number_of(phone_number: int) -> int:
    """Whose number it is: see ``client``."""
    return phone_number - client(0).phone_number


async def _number(store: Store, ids: list[int]) -> None:
    await store.update_client(ids[0], lambda _: client(900), by=BY, now_us=NOW)


async def _tag(store: Store, ids: list[int]) -> None:
    await store.update_client(ids[0], lambda old: client(number_of(old.phone_number), "old"), by=BY, now_us=NOW)


async def _zone(store: Store, ids: list[int]) -> None:
    number = number_of((await store.get_client(ids[0])).phone_number)
    await store.import_clients([client(number, time_zone="Asia/Omsk"), client(800)], by=BY, now_us=NOW)


async def _delete(store: Store, ids: list[int]) -> None:
    await store.delete_client(ids[0], by=BY, now_us=NOW)


async def _delete_many(store: Store, ids: list[int]) -> None:
    await store.delete_clients(ids[:1], by=BY, now_us=NOW)


async def _retag_many(store: Store, ids: list[int]) -> None:
    await store.update_clients(ids[:1], ClientChange(tag="old"), by=BY, now_us=NOW)


CHANGES = [_number, _tag, _zone, _delete, _delete_many, _retag_many]
Change = Callable[[Store, list[int]], Awaitable[None]]


@pytest.mark.parametrize("change", CHANGES)
async def test_claims_of_a_changed_client_are_out_of_date_and_no_others(store: Store, change: Change) -> None:
    ids = await add_clients(store, 3)
    mailing_id, owner = await add_mailing(store, mailing(AudienceFilter(("new",)))), await add_engine(store)
    claims = await claim(store, mailing_id, owner)
    assert await store.outdated(claims, owner=owner) == set()
    await change(store, ids)
    assert await store.outdated(claims, owner=owner) == {claims[0].message_id}
    assert await store.outdated(claims, owner=owner + 1) == set()
    assert await store.outdated(claims[1:], owner=owner) == set()
    await release(store, owner, claims)
    assert await store.outdated(claims, owner=owner) == set()
    assert await store.check() == []


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("change", CHANGES)
async def test_other_engines_are_told_only_if_they_have_a_claim(open_store: Opener, change: Change) -> None:
    asked, other = await open_store(), await open_store()
    await add_clients(asked, 3)
    mailing_id = await add_mailing(asked, mailing(AudienceFilter(("new",))))
    mine, theirs = await add_engine(asked), await add_engine(other)
    told: list[int] = []
    asked.on_owners_told = told.append

    async def revision() -> int:
        return (await asked.read_control(0)).revision

    (first,) = await claim(other, mailing_id, theirs, 1)
    await record(other, theirs, [first], Event.ACCEPT)  # what is final is nobody's claim
    before = await revision()
    (second,) = await claim(asked, mailing_id, mine, 1)
    await _retag_many(asked, [second.client_id])
    assert (told, await revision()) == ([], before)  # our own
    await release(asked, mine, [second])
    (held,) = await claim(other, mailing_id, theirs, 1)
    await change(asked, [held.client_id])
    assert (told, await revision()) == ([before + 1], before + 1)


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_a_claim_that_had_to_wait_reads_the_number_that_is_true_when_it_goes_on(open_store: Opener) -> None:
    """It begins, waits for somebody who has the mailing; meanwhile the client gets another number, and nobody has a
    claim of him yet who could be told."""
    asked, other, third = await open_store(), await open_store(), await open_store()
    ids = await add_clients(asked, 1)
    mailing_id, owner = await add_mailing(asked), await add_engine(other)
    await record(other, owner, await claim(other, mailing_id, owner), Event.DEFER, due_us=NOW)  # asked for first
    has_it, let_go = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.rows("SELECT 1 FROM mailing WHERE id = ? FOR UPDATE", mailing_id)
        has_it.set()
        await let_go.wait()

    async def waits(tx: Tx) -> bool:
        return bool(await tx.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    holding = asyncio.create_task(third._db.transaction(hold))
    await has_it.wait()
    claiming = asyncio.create_task(claim(other, mailing_id, owner))
    while not await asked._db.read(waits):
        await asyncio.sleep(0.01)
    await asked.update_client(ids[0], lambda _: client(900), by=BY, now_us=NOW)
    let_go.set()
    await holding
    (taken,) = await claiming
    assert taken.phone_number == client(900).phone_number


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_every_claim_made_while_clients_change_is_current_or_told(open_store: Opener) -> None:
    """The numbers of 60 clients change while another engine claims their messages a few at a time: when a change has
    been stored, each claim of that client has the new number, or its engine has been told."""
    asked, other = await open_store(), await open_store()
    ids = await add_clients(asked, 60)
    mailing_id, owner = await add_mailing(asked), await add_engine(other)
    await add_engine(asked)
    told: list[int] = []
    asked.on_owners_told = told.append
    claims: list[Claim] = []
    changed: dict[int, tuple[ClientInput, bool]] = {}

    async def send() -> None:
        while len(claims) < len(ids):
            claims.extend(await claim(other, mailing_id, owner, 2))

    async def edit() -> None:
        for number, client_id in enumerate(ids):
            before, new = len(told), client(500 + number)
            await asked.update_client(client_id, lambda _, new=new: new, by=BY, now_us=NOW)  # type: ignore[misc]
            changed[client_id] = new, len(told) > before

    await asyncio.gather(send(), edit())
    outdated = await other.outdated(claims, owner=owner)
    for taken in claims:
        new, was_told = changed[taken.client_id]
        assert (taken.phone_number == new.phone_number) == (taken.message_id not in outdated)
        assert was_told or taken.message_id not in outdated
