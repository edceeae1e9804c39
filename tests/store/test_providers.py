"""Providers by name, and the migration that brought them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from engine.domain.message import Event
from engine.store import Store
from engine.store.database import Tx
from tests.store.conftest import Opener
from tests.store.world import NOW, a_mailing_with, claim, messages, record


async def test_a_name_stands_for_one_id_for_ever(store: Store) -> None:
    assert await store.provider_ids(["fbrq"]) == {"fbrq": 1}
    first = await store.provider_ids(["b", "fbrq", "a"])
    assert first["fbrq"] == 1
    assert len(set(first.values())) == 3
    assert await store.provider_ids(["a", "b"]) == {name: first[name] for name in ("a", "b")}
    assert await store.provider_ids([]) == {}


async def test_engines_that_start_together_agree(kind: str, store: Store, open_store: Opener) -> None:
    stores = [store, await open_store() if kind == "postgres" else store]
    answers = await asyncio.gather(*(store.provider_ids(["x", "y", f"of {n}"]) for n, store in enumerate(stores)))
    assert [(answer["x"], answer["y"]) for answer in answers] == [(answers[0]["x"], answers[0]["y"])] * 2
    every = await store.provider_ids(["fbrq", "x", "y", "of 0", "of 1"])
    assert len(set(every.values())) == 5


async def test_down_and_up_again_with_rows(store: Store) -> None:
    """Whoever may have a message is the provider of before; the others are for whoever comes first."""
    module = import_module("engine.store.migrations.store.9_20261130000000_receipts")
    mailing_id, owner = await a_mailing_with(store, 5)
    sent, missed, deferred, _taken = await claim(store, mailing_id, owner, 4)
    await record(store, owner, [sent], Event.ACCEPT)
    await record(store, owner, [missed], Event.MISS, due_us=NOW)
    await record(store, owner, [deferred], Event.DEFER, due_us=NOW)
    before = await messages(store, mailing_id)
    await store.provider_ids(["other"])

    async def work(tx: Tx) -> list[Any]:
        await tx.run(
            "INSERT INTO mailing_stat (mailing_id, kind, key, count) VALUES (?, 'delivered', 1, 1)", mailing_id
        )
        await tx.run("INSERT INTO past_stat (kind, key, count) VALUES ('delivered', 1, 1)")
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        await tx.orm.execute_script(await module.upgrade(tx.orm))
        rows = await tx.rows("SELECT provider_id, delivery, delivery_us, cost FROM message ORDER BY id")
        for table in ("mailing_stat", "past_stat"):
            assert await tx.value(f"SELECT count(*) FROM {table} WHERE kind = 'delivered'") == 0
        return [tuple(row) for row in rows]

    rows = await store._db.transaction(work)
    assert rows == [(id, None, None, 0) for id in (None, 1, None, 1, None)]
    assert await messages(store, mailing_id) == before
    assert await store.provider_ids(["fbrq"]) == {"fbrq": 1}
