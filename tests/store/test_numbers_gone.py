"""A deleted client's phone number is gone: from tables, and on SQLite from files (docs/behaviour.md, rule 14)."""

from __future__ import annotations

import asyncio
import random
import re
import time
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from engine.domain.message import Event
from engine.domain.validate import ClientInput
from engine.ports import Record
from engine.store import Store
from engine.store.client_rows import ClientRow
from engine.store.database import Lane, Tx
from engine.store.rows import RequestKey
from tests.patience import PATIENT_SECONDS
from tests.store.world import BY, NOW, add_clients, add_engine, add_mailing, claim, client, outcome

KEY = RequestKey("scoped", "CreateClient", "digest")
MANY = 3_000
_DIGITS: Final = re.compile(rb"(?=(7916\d{7}))")
"""Numbers of ``client``; one may begin within what looks like another."""
_BYTES: Final = re.compile(rb"(?=(\x00\x12\x6e.{3}))", re.DOTALL)
"""The same as SQLite stores an integer of their size."""


def numbers_in(data: bytes) -> set[int]:
    """All that may be numbers of clients. One pass: to look for each number by itself took ten seconds."""
    return {int(found) for found in _DIGITS.findall(data)} | {
        int.from_bytes(found, "big") for found in _BYTES.findall(data)
    }


def traces(folder: Path, numbers: list[int]) -> dict[str, list[int]]:
    """Which of these numbers are in which file."""
    found: dict[str, list[int]] = {}
    for file in sorted(folder.iterdir()):
        inside = numbers_in(file.read_bytes()).intersection(numbers)
        if inside:
            found[file.name] = sorted(inside)
    return found


async def all_values(tx: Tx) -> str:
    """Everything that is in the database."""
    if tx.dialect.is_sqlite:
        tables = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        tables = await tx.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    rows = [row for (name,) in tables for row in await tx.rows(f'SELECT * FROM "{name}"')]
    return "\n".join(str(list(row)) for row in rows)


async def a_life(store: Store) -> list[int]:
    """Clients come, get texts, change their numbers and go; returns the numbers that are nobody's any more."""
    chance = random.Random(8)
    numbers = chance.sample(range(1, 9_000_000), MANY)  # in no order: pages of the tables and indexes split
    for begin in range(0, MANY, 500):
        rows = [client(number, tag=f"tag{number % 7}") for number in numbers[begin : begin + 500]]
        await store.import_clients(rows, by=BY, now_us=NOW)
    created = (await store.create_client(client(0), by=BY, now_us=NOW, request=KEY)).row
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    claims = await claim(store, mailing_id, owner, limit=MANY + 1)
    said = {c.message_id: f"no such number: {c.phone_number} (+{c.phone_number})" for c in claims}
    events = (Event.ACCEPT, Event.REJECT, Event.DEFER)
    outcomes = [told_by_the_provider(outcome(c, events[i % 3]), said[c.message_id]) for i, c in enumerate(claims)]
    await store.record(outcomes, owner=owner, now_us=NOW)

    phones = {c.client_id: c.phone_number for c in claims}
    leaving = chance.sample(sorted(phones.keys() - {created.id}), MANY // 2)
    single, batch, renumbered = leaving[:20], leaving[20:-20], leaving[-20:]
    for id in (*single, created.id):
        await store.delete_client(id, by=BY, now_us=NOW)
    for begin in range(0, len(batch), 1_000):
        await store.delete_clients(batch[begin : begin + 1_000], by=BY, now_us=NOW)
    for place, id in enumerate(renumbered):
        new = client(9_500_000 + place)
        await store.update_client(id, partial(instead, new), by=BY, now_us=NOW)
    return [phones[id] for id in (*leaving, created.id)]


def instead(new: ClientInput, _: ClientRow) -> ClientInput:
    return new


def told_by_the_provider(record: Record, said: str) -> Record:
    return record._replace(detail="" if record.event is Event.ACCEPT else said)


@pytest.mark.parametrize("kind", ["sqlite-inline", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_no_table_keeps_the_number_of_a_client_that_is_gone(store: Store) -> None:
    gone = await a_life(store)
    values = numbers_in((await store._db.read(all_values)).encode())
    assert client(9_500_000).phone_number in values  # so it would be seen
    assert values.isdisjoint(gone)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_no_file_keeps_the_number_of_a_client_that_is_gone(store: Store, tmp_path: Path) -> None:
    gone = await a_life(store)
    assert "mailing.db-wal" in traces(tmp_path, gone)  # what this is about
    assert await store.forget_log()
    assert traces(tmp_path, gone) == {}
    assert traces(tmp_path, [client(9_500_000).phone_number])


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_log_is_not_emptied_under_a_reader_and_nobody_waits(store: Store) -> None:
    await add_clients(store, 10)
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def reads(tx: Tx) -> int:
        number = int(await tx.value("SELECT count(*) FROM client"))
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENT_SECONDS)
        return number

    reading = asyncio.create_task(store._db.read(reads, Lane.LONG))
    await begun.wait()
    await add_clients(store, 10, first=10)
    waits = []
    for _ in range(3):
        began = time.monotonic()
        assert not await store.forget_log()
        waits.append(time.monotonic() - began)
    assert min(waits) < 4  # SQLite itself would wait for the reader for 5 s, each time
    go_on.set()
    assert await reading == 10
    assert await store.forget_log()


async def test_a_repeated_create_is_answered_as_at_first_though_no_number_was_kept(store: Store) -> None:
    first = (await store.create_client(client(5), by=BY, now_us=NOW, request=KEY)).row
    assert await store.created_client(KEY) == first
    await store.update_client(first.id, lambda _: client(6, tag="other"), by=BY, now_us=NOW + 1)
    again = await store.create_client(client(5), by=BY, now_us=NOW + 2, request=KEY)
    assert again.replayed
    assert again.row == first
    await store.delete_client(first.id, by=BY, now_us=NOW)
    assert (await store.create_client(client(5), by=BY, now_us=NOW + 2, request=KEY)).row == first
    assert await store.created_client(KEY) is None
