"""A number that got a mailing's text does not get it again, whoever its client is now (docs/behaviour.md, rule 1)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Reason, Status
from engine.ports import Claim
from engine.store import Store
from engine.store.database import Tx
from engine.store.told import Stage, stage_of
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
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
)

FIRST, OTHER, THIRD = 1, 2, 3
Leave = Callable[[Store, int], Awaitable[None]]
Return = Callable[[Store], Awaitable[int]]


async def add(store: Store, number: int = FIRST, tag: str = "new") -> int:
    return (await store.create_client(client(number, tag), by=BY, now_us=NOW)).row.id


async def import_it(store: Store) -> int:
    return (await store.import_clients([client(FIRST)], by=BY, now_us=NOW)).changed_ids[0]


async def renumber_another(store: Store) -> int:
    """Somebody else gets the number, and only then matches."""
    id = await add(store, THIRD, tag="elsewhere")
    await renumber(store, id, FIRST, tag="new")
    return id


async def renumber(store: Store, client_id: int, number: int, tag: str = "new") -> None:
    await store.update_client(client_id, lambda _: client(number, tag), by=BY, now_us=NOW)


async def delete(store: Store, client_id: int) -> None:
    await store.delete_client(client_id, by=BY, now_us=NOW)


async def delete_in_a_batch(store: Store, client_id: int) -> None:
    await store.delete_clients([client_id], by=BY, now_us=NOW)


async def change_the_number(store: Store, client_id: int) -> None:
    await renumber(store, client_id, OTHER)


LEAVES = (delete, delete_in_a_batch, change_the_number)
RETURNS = (add, import_it, renumber_another)
NEW = AudienceFilter(tags=("new",))
POSTGRES = pytest.mark.postgres


def on_stores(names: str, *values: Iterable[Any]) -> pytest.MarkDecorator:
    """Every combination on SQLite inline, which is quick, and the first and the last one on PostgreSQL."""
    every = list(itertools.product(*values))
    on_postgres = [pytest.param("postgres", *combination, marks=POSTGRES) for combination in (every[0], every[-1])]
    return pytest.mark.parametrize(f"kind, {names}", [*[("sqlite-inline", *one) for one in every], *on_postgres])


async def told_rows(store: Store) -> int:
    async def work(tx: Tx) -> int:
        return int(await tx.value("SELECT count(*) FROM told"))

    return await store._db.read(work)


async def taken(store: Store, **wanted: str) -> tuple[int, int, int, Claim]:
    """A client whose message an engine has: client, mailing, engine, claim."""
    client_id = await add(store)
    mailing_id, owner = await add_mailing(store, mailing(NEW, **wanted)), await add_engine(store)  # type: ignore[arg-type]
    (claimed,) = await claim(store, mailing_id, owner)
    return client_id, mailing_id, owner, claimed


async def receivers(store: Store, mailing_id: int) -> list[int | None]:
    await counts(store, mailing_id)  # and they are right
    return [message.client_id for message in await messages(store, mailing_id)]


@on_stores("leave, come_back", LEAVES, RETURNS)
async def test_a_number_that_got_the_text_does_not_get_it_again(store: Store, leave: Leave, come_back: Return) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    later = await add_mailing(store, mailing(NEW))
    await leave(store, client_id)
    again = await come_back(store)
    assert again not in await receivers(store, mailing_id)
    assert again in await receivers(store, later)  # that one has told nobody
    await renumber(store, again, FIRST, tag="elsewhere")
    await renumber(store, again, FIRST, tag="new")
    assert again not in await receivers(store, mailing_id)
    await store.update_mailing(
        mailing_id, lambda row: replace(mailing(), text=row.text, end_us=END + 1), by=BY, now_us=NOW
    )
    while not await store.build_audience(mailing_id, 1, NOW, LONG_AGO):
        pass
    assert again not in await receivers(store, mailing_id)
    # And nobody else is left out.
    somebody = await add(store, 77)
    assert somebody in await receivers(store, mailing_id)


@on_stores("leave, come_back, tried", LEAVES, RETURNS, ["never", "refused"])
async def test_a_number_that_surely_got_nothing_gets_the_text(
    store: Store, leave: Leave, come_back: Return, tried: str
) -> None:
    client_id = await add(store)
    mailing_id, owner = await add_mailing(store, mailing(NEW)), await add_engine(store)
    if tried == "refused":
        claims = await claim(store, mailing_id, owner)
        await store.record([outcome(claims[0], Event.DEFER, http_status=503)], owner=owner, now_us=NOW)
    await leave(store, client_id)
    again = await come_back(store)
    assert again in await receivers(store, mailing_id)
    assert await told_rows(store) == 0


KNOWN = {
    "given back": None,
    "busy": (Event.DEFER, 503),
    "no such number": (Event.DEFER, 404),
    "rejected": (Event.REJECT, 400),
}
UNKNOWN = {
    "accepted": (Event.ACCEPT, 200),
    "no answer": (Event.MISS, None),
    "a proxy's answer": (Event.MISS, 504),
}


async def ended(store: Store, owner: int, claimed: Claim, how: tuple[Event, int | None] | None) -> None:
    if how is None:
        await release(store, owner, [claimed])
    else:
        await store.record([outcome(claimed, how[0], http_status=how[1])], owner=owner, now_us=NOW)


@on_stores("leave, name", LEAVES, [*KNOWN, *UNKNOWN])
async def test_while_an_engine_has_the_message_its_outcome_decides(store: Store, leave: Leave, name: str) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await leave(store, client_id)
    again = await add(store)
    assert again not in await receivers(store, mailing_id)
    await ended(store, owner, claimed, (KNOWN | UNKNOWN)[name])
    assert (again in await receivers(store, mailing_id)) is (name in KNOWN)
    # Who comes only now is treated alike.
    await delete(store, again)
    assert (await add(store) in await receivers(store, mailing_id)) is (name in KNOWN)


@on_stores("leave, how", LEAVES, ["no answer", "a proxy's answer", "lost"])
async def test_a_message_that_waits_after_an_unknown_outcome_has_told_its_number(
    store: Store, leave: Leave, how: str
) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    if how == "lost":
        assert await store.recover(LEASE + 1, 100, expired_only=True) == 1
    else:
        await ended(store, owner, claimed, UNKNOWN[how])
    assert await receivers(store, mailing_id) == [client_id]
    await leave(store, client_id)
    assert await add(store) not in await receivers(store, mailing_id)


@on_stores("how, outcome_known", ["tag", "filter"], [True, False])
async def test_who_stops_matching_and_matches_again_gets_no_second_text(
    store: Store, how: str, outcome_known: bool
) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await store.record(
        [outcome(claimed, Event.DEFER if outcome_known else Event.MISS, http_status=503 if outcome_known else None)],
        owner=owner,
        now_us=NOW,
    )
    await leave_and_return(store, client_id, mailing_id, how)
    (message,) = await messages(store, mailing_id)  # the old one, which stays as evidence, or a new one
    assert message.client_id == client_id
    assert (message.status, message.reason) == (
        (Status.PENDING, None) if outcome_known else (Status.NOT_SENT, Reason.UNCERTAIN)
    )
    await delete(store, client_id)
    assert (await add(store) in await receivers(store, mailing_id)) is outcome_known


@on_stores("how, name", ["tag", "filter"], [*KNOWN, *UNKNOWN])
async def test_who_stops_matching_while_it_is_called_and_matches_again_gets_no_second_text(
    store: Store, how: str, name: str
) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await stop_matching(store, client_id, mailing_id, how)
    await ended(store, owner, claimed, (KNOWN | UNKNOWN)[name])
    before = await messages(store, mailing_id)
    await match_again(store, client_id, mailing_id, how)
    after = await messages(store, mailing_id)
    assert len(after) == (1 if before or name in KNOWN else 0)
    assert not before or after == before


async def stop_matching(store: Store, client_id: int, mailing_id: int, how: str) -> None:
    if how == "tag":
        await renumber(store, client_id, FIRST, tag="elsewhere")
    else:
        await edit_filter(store, mailing_id, AudienceFilter(tags=("nobody",)))


async def match_again(store: Store, client_id: int, mailing_id: int, how: str) -> None:
    if how == "tag":
        await renumber(store, client_id, FIRST)
    else:
        await edit_filter(store, mailing_id, NEW)


async def leave_and_return(store: Store, client_id: int, mailing_id: int, how: str) -> None:
    await stop_matching(store, client_id, mailing_id, how)
    await match_again(store, client_id, mailing_id, how)


async def edit_filter(store: Store, mailing_id: int, filter: AudienceFilter) -> None:
    await store.update_mailing(mailing_id, lambda _: mailing(filter), by=BY, now_us=NOW)
    while not await store.build_audience(mailing_id, 100, NOW, LONG_AGO):
        pass


@on_stores("on_uncertain, begun", ["resend", "not_sent"], [False, True])
async def test_after_a_crash_the_mark_decides(store: Store, on_uncertain: str, begun: bool) -> None:
    client_id, mailing_id, owner, claimed = await taken(store, on_uncertain=on_uncertain)
    if begun:
        await store.begin([claimed], owner=owner)
    await delete(store, client_id)
    again = await add(store)
    assert await store.recover(LEASE + 1, 100, expired_only=True) == 1
    surely_uncalled = on_uncertain == "not_sent" and not begun
    assert (again in await receivers(store, mailing_id)) is surely_uncalled


async def give_back(store: Store, owner: int, claims: list[Claim]) -> None:
    await release(store, owner, claims)


async def put_off(store: Store, owner: int, claims: list[Claim]) -> None:
    await record(store, owner, claims, Event.DEFER)


async def crash(store: Store, owner: int, claims: list[Claim]) -> None:
    assert await store.recover(LEASE + 1, len(claims), expired_only=True) == len(claims)


@on_stores("together, end", [True, False], [give_back, put_off, crash])
async def test_who_gets_a_number_while_its_own_message_is_in_hand_too_gets_one_text(
    store: Store, together: bool, end: Callable[[Store, int, list[Claim]], Awaitable[None]]
) -> None:
    leaver, heir = await add(store, FIRST), await add(store, OTHER)
    mailing_id, owner = await add_mailing(store, mailing(NEW, on_uncertain="not_sent")), await add_engine(store)
    claims = await claim(store, mailing_id, owner)
    await delete(store, leaver)
    await renumber(store, heir, FIRST)
    for batch in [claims] if together else [[one] for one in claims]:
        await end(store, owner, batch)
    assert await receivers(store, mailing_id) == [heir]
    (again,) = await claim(store, mailing_id, owner)
    assert again.phone_number == client(FIRST).phone_number


async def test_a_client_that_changes_its_number_keeps_its_message_and_gets_no_second_one(store: Store) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await renumber(store, client_id, OTHER)
    await renumber(store, client_id, FIRST)
    await renumber(store, client_id, OTHER)
    assert await receivers(store, mailing_id) == [client_id]
    # The text went to the first number: the other one gets it when it is somebody's by itself.
    await delete(store, client_id)
    somebody = await add(store, OTHER)
    assert somebody in await receivers(store, mailing_id)
    assert await add(store, FIRST) not in await receivers(store, mailing_id)


WALK = (OTHER, FIRST, OTHER, THIRD, FIRST, OTHER)


@on_stores("event, stored_after", [Event.ACCEPT, Event.MISS], range(len(WALK) + 1))
async def test_a_number_that_was_called_stays_told_wherever_its_client_goes_meanwhile(
    store: Store, event: Event, stored_after: int
) -> None:
    """Found by the simulation: the outcome was stored between two changes of the number, and the number forgotten."""
    client_id, mailing_id, owner, claimed = await taken(store, on_uncertain="not_sent")
    for step, number in enumerate((*WALK, None)):
        if step == stored_after:
            await record(store, owner, [claimed], event)
        if number is not None:
            await renumber(store, client_id, number)
    assert await add(store, FIRST) not in await receivers(store, mailing_id)


async def test_a_message_that_waits_goes_on_to_the_new_number_and_back(store: Store) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await renumber(store, client_id, OTHER)
    await renumber(store, client_id, FIRST)
    await release(store, owner, [claimed])
    assert await receivers(store, mailing_id) == [client_id]
    (claimed,) = await claim(store, mailing_id, owner)
    assert claimed.phone_number == client(FIRST).phone_number
    await record(store, owner, [claimed], Event.ACCEPT)
    await delete(store, client_id)
    assert await add(store, FIRST) not in await receivers(store, mailing_id)
    assert await add(store, OTHER) in await receivers(store, mailing_id)


async def test_a_pending_message_does_not_follow_its_client_to_a_number_that_was_told(store: Store) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await delete(store, client_id)
    other = await add(store, OTHER)
    assert other in await receivers(store, mailing_id)
    await renumber(store, other, FIRST)
    assert other not in await receivers(store, mailing_id)
    await renumber(store, other, THIRD)
    assert other in await receivers(store, mailing_id)


async def test_who_was_left_out_and_left_gets_nothing_later(store: Store) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await delete(store, client_id)
    again = await add(store)
    await delete(store, again)
    await release(store, owner, [claimed])
    assert await receivers(store, mailing_id) == []
    changed_mind = await add(store)
    await renumber(store, changed_mind, FIRST, tag="elsewhere")
    assert await receivers(store, mailing_id) == []


@pytest.mark.parametrize("over", ["ended", "cancelled", "deleted"])
async def test_hashes_go_when_the_mailing_is_over(store: Store, over: str) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await delete(store, client_id)
    assert await store.forget_told(NOW, 10) == 0
    assert await told_rows(store) == 1
    now_us = END if over == "ended" else NOW
    if over == "cancelled":
        await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    if over == "deleted":
        await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    while await store.forget_told(now_us, 10):
        pass
    assert await told_rows(store) == 0


async def test_nothing_is_kept_for_mailings_that_are_over(store: Store) -> None:
    client_id, _, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await store.delete_client(client_id, by=BY, now_us=END)
    assert await told_rows(store) == 0


async def test_a_purged_mailing_takes_its_hashes_along(store: Store) -> None:
    client_id, mailing_id, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await delete(store, client_id)
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    while not await store.purge(mailing_id, 10):
        pass
    assert await told_rows(store) == 0


async def test_a_deletion_beside_the_outcome_of_its_call_misses_neither(store: Store) -> None:
    """Whichever comes first: the text was sent, so nobody gets it again."""
    for number in range(8):
        client_id = await add(store, number)
        mailing_id, owner = await add_mailing(store, mailing(NEW)), await add_engine(store)
        (claimed,) = [each for each in await claim(store, mailing_id, owner) if each.client_id == client_id]
        await asyncio.gather(record(store, owner, [claimed], Event.ACCEPT), delete(store, client_id))
        assert await add(store, number) not in await receivers(store, mailing_id)


async def test_the_number_is_not_in_the_table_and_each_database_has_a_key_of_its_own(store: Store) -> None:
    client_id, _, owner, claimed = await taken(store)
    await record(store, owner, [claimed], Event.ACCEPT)
    await delete(store, client_id)

    async def work(tx: Tx) -> tuple[str, str]:
        (row,) = await tx.rows("SELECT * FROM told")
        return str(list(row)), await tx.value("SELECT number_key FROM control")

    row, key = await store._db.read(work)
    assert str(client(FIRST).phone_number) not in row
    assert len(bytes.fromhex(key)) == 32
    other = await Store.open("sqlite://:memory:", inline=True)
    assert (await other._db.read(work_key)) != key
    await other.close()


async def work_key(tx: Tx) -> str:
    return str(await tx.value("SELECT number_key FROM control"))


def test_what_a_message_says_of_its_number() -> None:
    """The whole table: status, reason, whether an earlier attempt had an unknown outcome."""
    for status in Status:
        for reason in (None, *Reason):
            if (status is Status.NOT_SENT) is (reason is None):
                continue
            for unsure in (False, True):
                stage = stage_of(status, reason, unsure=unsure)
                reached = status is Status.SENT or reason is Reason.UNCERTAIN or unsure
                assert (stage in (Stage.MAYBE, Stage.FINAL)) is reached
                assert (stage is Stage.IN_HAND) is (not reached and status in (Status.CLAIMED, Status.CALLING))
                assert (stage is Stage.FINAL) is (reached and status.is_final)
