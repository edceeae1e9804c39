"""A PostgreSQL for all tests of a file that need none of their own, and whose connections stay open.

For each test by itself it was a copy of files, new connections, and statements that they had not prepared yet: three
quarters of what such a test took of the processor. So the tests of a file have one database, one after the other, and
it is made empty in between. A test that closes it, or changes the columns of its tables, leaves none to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from engine.store import orm
from engine.store.migrate import migrate
from engine.store.postgres import PostgresDatabase
from engine.store.postgres_lanes import Limits

_LOCK_SECONDS: Final = 10
"""A test that is over and still locks a table has left something behind: its database is given up."""
_TABLES: Final = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_FILLED: Final = """
    SELECT quote_ident(relname), pg_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL($1) AND pg_relation_size(oid) > 0
"""
_SHAPE: Final = """
    SELECT string_agg(concat_ws(' ', c.relname, a.attname, a.atttypid, a.attnotnull, a.attisdropped), ','
        ORDER BY c.relname, a.attnum), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_constraint)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
"""
"""Tables, indexes, and their columns."""
_SEQUENCES: Final = """
    SELECT string_agg(format('SELECT setval(%L, %s, %L);', sequencename, coalesce(last_value, start_value),
        last_value IS NOT NULL), ' ') FROM pg_sequences WHERE schemaname = 'public'
"""
_NOT_TO_EMPTY: Final = "aerich"
_SMALL_BYTES: Final = 64 * 1024
"""A table up to this size is emptied by DELETE. It costs a twentieth of TRUNCATE, after which all plans are made
anew. New rows follow the dead ones in order, since nothing is vacuumed; and PostgreSQL plans for more pages than these,
as it does for each table that was never vacuumed."""


class _Database:
    """An open one, and a session beside it which knows what it was like before any test."""

    def __init__(self, url: str, database: PostgresDatabase, session: asyncpg.Connection) -> None:
        self.url, self.database, self._session = url, database, session
        self._shape: Any = None
        self._with_rows: list[str] = []
        """Tables that have rows after the migrations."""
        self._restored = ""
        """What puts these rows and all numbers back."""

    @classmethod
    async def open(cls, url: str, limits: Limits) -> _Database:
        database = await PostgresDatabase.open(url, limits)
        await migrate(database)
        made = cls(url, database, await asyncpg.connect(url))
        await made._remember()
        return made

    async def _remember(self) -> None:
        session = self._session
        # Without the triggers of foreign keys. This session is the only one that may do so.
        await session.execute(f"SET session_replication_role = replica; SET lock_timeout = '{_LOCK_SECONDS}s'")
        await session.execute("CREATE SCHEMA pristine")
        back = []
        for (table,) in await session.fetch(_TABLES):
            if table != _NOT_TO_EMPTY and await session.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")'):
                self._with_rows.append(table)
                await session.execute(f'CREATE TABLE pristine."{table}" AS TABLE public."{table}"')
                back.append(f'DELETE FROM "{table}"')
                back.append(f'INSERT INTO "{table}" OVERRIDING SYSTEM VALUE TABLE pristine."{table}"')
        self._restored = f"{'; '.join(back)}; {await session.fetchval(_SEQUENCES)}"
        self._shape = await session.fetchrow(_SHAPE)

    async def empty(self) -> bool:
        """Make it as it was. False: it can't be used again."""
        if self.database._client._pool is None:
            return False
        try:
            if await self._session.fetchrow(_SHAPE) != self._shape:
                return False
            kept = [*self._with_rows, _NOT_TO_EMPTY]
            filled = await self._session.fetch(_FILLED, kept)
            large = [row[0] for row in filled if row[1] > _SMALL_BYTES]
            emptied = [f"TRUNCATE {', '.join(large)} CASCADE"] if large else []
            emptied += [f"DELETE FROM {row[0]}" for row in filled if row[0] not in large]
            await self._session.execute("; ".join([*emptied, self._restored]))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True

    async def close(self) -> None:
        self._session.terminate()
        await self.database.close()


class SharedDatabases:
    """One at a time, for the tests of a file."""

    def __init__(self, urls: Callable[[], str], not_needed: Callable[[str], None], limits: Limits) -> None:
        self._urls, self._not_needed, self._limits = urls, not_needed, limits
        self._now: _Database | None = None

    async def take(self) -> PostgresDatabase:
        """An open and migrated database with nothing in it."""
        if self._now is None:
            self._now = await _Database.open(self._urls(), self._limits)
        orm.prepare(self._now.database._client)  # a test with SQLite may have come in between
        return self._now.database

    async def give_back(self) -> None:
        """Make it ready for the next test; what runs on in this loop is cancelled, as it is when a loop closes."""
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        if self._now is not None and not await self._now.empty():
            await self.close()

    async def close(self) -> None:
        """Let go of it."""
        if self._now is not None:
            was, self._now = self._now, None
            await was.close()
            self._not_needed(was.url)
