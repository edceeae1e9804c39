"""Where a simulated PostgreSQL's tables come from."""

from __future__ import annotations

from engine.store import Store
from engine.store.sqlite import SqliteDatabase
from engine.store.sqlite_threads import Inline


async def migrated() -> bytes:
    """An empty SQLite with our schema, as ``Template`` wants it. Both databases get it from the same migrations."""
    store = await Store.open("sqlite://:memory:", inline=True)
    database = store._db
    assert isinstance(database, SqliteDatabase)
    assert isinstance(database._writer, Inline)
    content = database._writer.connection.serialize()
    await store.close()
    return content
