"""engine/store/client_counts.py. Invariant: what is counted is what there is, whoever has changed clients, and a number
never has many rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Final

import pytest

from engine.domain.errors import Conflict, NotFound
from engine.domain.validate import ClientInput
from engine.store import Store, client_counts
from engine.store.client_counts import COLUMNS
from engine.store.client_rows import ClientChange, ClientQuery, ClientRow
from engine.store.database import Tx
from engine.store.rows import Difference, Page
from tests.store.conftest import Opener
from tests.store.world import BY, NOW, add_clients

_EVERY: Final = 16
_NUMBERS: Final = 40
_TAGS: Final = ("", "new", "vip")


def _client(number: int, chance: Random) -> ClientInput:
    code, zone = chance.choice(("903", "916")), chance.choice(("UTC", "Asia/Omsk"))
    return ClientInput(79_160_000_000 + number, code, chance.choice(_TAGS), zone, chance.choice(("", "ru")))


async def _change(store: Store, chance: Random) -> None:
    """Any of the ways in which clients come, go, and become others; some have nobody to change."""
    numbers = chance.sample(range(_NUMBERS), 5)
    clients = [_client(number, chance) for number in numbers]
    ids = [row.id for row in (await store.list_clients(ClientQuery(), Page(_NUMBERS))).items] or [0]
    chosen = chance.sample(ids, min(3, len(ids)))
    change = ClientChange(tag=chance.choice(_TAGS))
    match chance.randrange(6):
        case 0:
            await store.create_client(clients[0], by=BY, now_us=NOW)
        case 1:
            await store.update_client(chosen[0], lambda _: clients[0], by=BY, now_us=NOW)
        case 2:
            await store.import_clients(clients, by=BY, now_us=NOW)
        case 3:
            await store.update_clients(chosen, change, by=BY, now_us=NOW)
        case 4:
            await store.delete_clients(chosen, by=BY, now_us=NOW)
        case 5:
            await store.erase_client(chosen[0], suppress=False, by=BY, now_us=NOW)


async def _changes(store: Store, seed: int) -> None:
    chance = Random(seed)
    for _ in range(40):
        with suppress(Conflict, NotFound):
            await _change(store, chance)


async def _rows(store: Store) -> Counter[tuple[str, str]]:
    """How many rows each number has."""

    async def read(tx: Tx) -> Counter[tuple[str, str]]:
        rows = await tx.rows("SELECT kind, value FROM client_count")
        return Counter((kind, value) for kind, value in rows)

    return await store._db.read(read)


async def test_lists_and_facets_count_what_there_is(
    open_store: Opener, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_counts, "_SUMMED_EVERY", _EVERY)
    stores = [await open_store() for _ in range(2 if kind == "postgres" else 1)]
    await asyncio.gather(*(_changes(store, seed) for seed, store in enumerate(stores)))
    store = stores[0]
    there: list[ClientRow] = list((await store.list_clients(ClientQuery(), Page(_NUMBERS))).items)
    assert there
    assert (await store.list_clients(ClientQuery(), Page(1))).total == await store.count_clients() == len(there)
    facets = await store.facets()
    for column in COLUMNS:
        values = Counter(getattr(row, column) for row in there)
        assert facets[column] == values
        totals = {value: (await store.list_clients(ClientQuery(**{column: value}), Page(1))).total for value in values}
        assert totals == values
    assert await store.check() == []
    assert max((await _rows(store)).values()) <= 2 * _EVERY


async def test_a_value_that_nobody_has_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_counts, "_SUMMED_EVERY", 1)
    (client_id,) = await add_clients(store, 1, "rare")
    assert (await _rows(store))["tag", "rare"] == 1
    await store.delete_client(client_id, by=BY, now_us=NOW)
    assert not await _rows(store)
    assert (await store.list_clients(ClientQuery(tag="rare"), Page())).total == 0


async def test_check_finds_and_repairs_wrong_numbers(store: Store) -> None:
    await add_clients(store, 3, "vip")

    async def spoil(tx: Tx) -> int:
        return await tx.run("INSERT INTO client_count (kind, value, number) VALUES ('all', '', -1), ('tag', 'vip', -1)")

    await store._db.transaction(spoil)
    assert await store.check() == [Difference(None, "all", 2, 3), Difference(None, "tag vip", 2, 3)]
    assert (await store.list_clients(ClientQuery(tag="vip"), Page())).total == await store.count_clients() == 3
    assert await store.check() == []
