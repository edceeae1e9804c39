"""A transaction that writes holds no lock while its connection prepares a statement (store/postgres_prepared.py)."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import pytest

from engine.store import Store
from engine.store.database import Tx
from tests.store.commotion import Commotion
from tests.store.conftest import Opener
from tests.store.world import END, LEASE, NOW, a_mailing_with

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgres"], indirect=True)]

_TIME = re.compile(rf"\b(?:{NOW}|{LEASE}|{END})\b")
_READS = "REPEATABLE READ READ ONLY"


class Watch:
    """Which statements asyncpg prepared, and which of them within a transaction that writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prepared: list[str] = []
        self.within: list[str] = []
        self._reading: set[int] = set()
        get, execute = asyncpg.Connection._get_statement, asyncpg.Connection.execute

        async def get_statement(connection: Any, query: str, timeout: float | None, **options: Any) -> Any:
            key = (query, connection._protocol.get_record_class(), False)
            if not connection._stmt_cache.has(key):
                self.prepared.append(query)
                if connection.is_in_transaction() and id(connection) not in self._reading:
                    self.within.append(query)
            return await get(connection, query, timeout, **options)

        async def begin(connection: Any, query: str, *args: Any, **options: Any) -> Any:
            if query.startswith("BEGIN"):
                (self._reading.add if _READS in query else self._reading.discard)(id(connection))
            return await execute(connection, query, *args, **options)

        monkeypatch.setattr(asyncpg.Connection, "_get_statement", get_statement)
        monkeypatch.setattr(asyncpg.Connection, "execute", begin)


async def test_whatever_stores_do_statements_are_prepared_before_a_transaction(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [await open_store(), await open_store()]  # migrations come before all that is watched
    watch = Watch(monkeypatch)
    await Commotion(stores).run(2.0)
    assert len(set(watch.prepared)) > 20
    assert watch.within == []
    # One that bears the time would be another one each time: its work would always run twice.
    assert [sql for sql in watch.prepared if _TIME.search(sql)] == []


async def test_the_work_runs_again_once_for_each_new_statement(open_store: Opener) -> None:
    store = await open_store()
    mailing_id, _ = await a_mailing_with(store, 1)
    runs = []

    async def work(tx: Tx) -> int:
        runs.append(1)
        await tx.run("UPDATE mailing SET text_version = text_version WHERE id = ?", mailing_id)
        return await tx.run("UPDATE mailing SET update_us = update_us WHERE id = ?", mailing_id)

    assert await store._db.transaction(work) == 1
    assert len(runs) == 3
    assert await store._db.transaction(work) == 1
    assert len(runs) == 4


async def test_a_statement_that_can_not_be_prepared_fails_as_it_would_have(open_store: Opener) -> None:
    store = await open_store()

    async def work(tx: Tx) -> int:
        return await tx.run("UPDATE no_such_table SET a = ?", 1)

    with pytest.raises(Exception, match='relation "no_such_table" does not exist'):
        await store._db.transaction(work)
    await _still_works(store)


async def _still_works(store: Store) -> None:
    assert (await a_mailing_with(store, 1))[0]
