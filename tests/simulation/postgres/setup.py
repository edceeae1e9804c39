"""Where a simulated PostgreSQL's tables come from, and how the product is connected to it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from engine import postgres_url
from engine.store import Store, postgres
from engine.store.postgres import PostgresDatabase
from engine.store.postgres_lanes import Limits
from engine.store.sqlite import SqliteDatabase
from engine.store.sqlite_threads import Inline
from tests.simulation.postgres.asyncpg import Network, Pool
from tests.simulation.postgres.server import Server

LIMITS: Final = Limits()
D = TypeVar("D", bound=PostgresDatabase)
_URL: Final = "postgres://simulated:x@localhost/simulated"


async def migrated() -> bytes:
    """An empty SQLite with our schema, as ``Template`` wants it. Both databases get it from the same migrations."""
    store = await Store.open("sqlite://:memory:", inline=True)
    database = store._db
    assert isinstance(database, SqliteDatabase)
    assert isinstance(database._writer, Inline)
    content = database._writer.connection.serialize()
    await store.close()
    return content


def open_database(server: Server, network: Network, program: str, kind: type[D], limits: Limits = LIMITS) -> D:
    """The product's own database on a simulated server, with the settings and limits that it would ask a real one for.
    Its pool is ``pool_of`` it."""
    client = postgres._client(postgres_url.parse(_URL), postgres._Connector(limits))
    client._pool = Pool(
        server,
        network,
        program,
        max_size=client.pool_maxsize,
        server_settings=client.server_settings,
        connect_seconds=limits.connect_seconds,
    )
    return kind(client, limits)


def pool_of(database: PostgresDatabase) -> Pool:
    """The simulated pool."""
    pool: Any = database._client._pool
    assert isinstance(pool, Pool)
    return pool
