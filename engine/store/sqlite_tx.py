"""A transaction on SQLite, whole in one thread: nothing in it waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import orjson
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper

from engine.store.database import Row, Tx
from engine.store.dialect import SQLITE
from engine.store.sqlite_threads import DirectConnection

T = TypeVar("T")


class SqliteTx(Tx):
    """A transaction on a plain sqlite3 connection; its methods never suspend."""

    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection, client: SqliteClient) -> None:
        self._connection = connection
        self._client = client
        self._orm: SqliteTransactionWrapper | None = None

    @property
    def orm(self) -> SqliteTransactionWrapper:  # type: ignore[override]
        if self._orm is None:
            self._orm = SqliteTransactionWrapper(self._client)
            self._orm._connection = DirectConnection(self._connection)  # type: ignore[assignment]
        return self._orm

    async def rows(self, sql: str, *args: Any) -> Sequence[Row]:
        return self._connection.execute(sql, args).fetchall()

    async def table(self, columns: str, sql: str, *args: Any) -> Sequence[Row]:
        # One text instead of many rows: see the module ``dialect`` for what a row costs.
        wrapped = f"SELECT json_group_array(json_array({columns})) FROM ({sql})"
        result: list[Row] = orjson.loads(self._connection.execute(wrapped, args).fetchone()[0])
        return result

    async def run(self, sql: str, *args: Any) -> int:
        return self._connection.execute(sql, args).rowcount


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("a transaction may await its own statements only")


def make_client(path: str) -> SqliteClient:
    """Tortoise's, for its way to write SQL: it has no connection."""
    client = SqliteClient(path, connection_name="sqlite", fetch_inserted=True)
    client._connection = object()  # type: ignore[assignment] # never used: see SqliteTx.orm
    return client
