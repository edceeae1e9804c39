"""Bringing a database to the schema of this code, with aerich's files and aerich's own bookkeeping.

aerich runs on our connection and in our transaction, so that a migration is whole or not there,
works without threads too (SQLite inline), and is alone (an advisory lock on PostgreSQL: of three
engines that start at the same time two failed without it).
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from pkgutil import ModuleInfo

import asyncpg
from aerich import Command
from aerich.coder import encoder
from aerich.migrate import Migrate
from aerich.utils import get_models_describe, import_py_module
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import BaseORMException

from engine.store import orm
from engine.store.database import Database, Lane, Tx
from engine.store.errors import DatabaseTooNew, DatabaseUnavailable
from engine.store.schema import refuse_others, verify

LOCATION = Path(__file__).parent / "migrations"
_LOCK = 0x6D61696C_00000001
"""The key of the advisory lock: "mail" and a number."""

_BOOKKEEPING = {
    True: """CREATE TABLE IF NOT EXISTS aerich (
        id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, version VARCHAR(255) NOT NULL,
        app VARCHAR(100) NOT NULL, content JSON NOT NULL)""",
    False: """CREATE TABLE IF NOT EXISTS aerich (
        id SERIAL NOT NULL PRIMARY KEY, version VARCHAR(255) NOT NULL,
        app VARCHAR(100) NOT NULL, content JSONB NOT NULL)""",
}


async def migrate(database: Database) -> list[str]:
    """Apply what is missing; return the names of the files applied. Again: nothing happens.

    Raises:
        DatabaseTooNew: the database has been migrated by a newer version.
        DatabaseUnavailable: it is another program's, or has not what the migrations should have made.
    """
    return await database.transaction(_upgrade, Lane.UPKEEP)


async def _upgrade(tx: Tx) -> list[str]:
    if not tx.dialect.is_sqlite:
        await tx.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)
    await refuse_others(tx)
    await tx.run(_BOOKKEEPING[tx.dialect.is_sqlite])
    Migrate.app = orm.APP
    Migrate.migrate_location = LOCATION / orm.APP
    applied = []
    if await _lacks_some(tx):
        with orm.context(tx.orm):
            applied = await _Command(orm.CONFIG, orm.APP, str(LOCATION)).upgrade(run_in_transaction=False)
    await verify(tx)
    return applied


class _Command(Command):
    """aerich, but its note of what was applied is plain SQL: ``Model.save`` wants an event loop."""

    async def _upgrade(
        self,
        conn: BaseDBAsyncClient,
        version_file: str,
        fake: bool = False,
        version_module: ModuleInfo | None = None,
    ) -> None:
        assert version_module is not None
        if not fake:
            script = await import_py_module(version_module).upgrade(conn)
            try:
                await conn.execute_script(script)
            except (sqlite3.Error, asyncpg.PostgresError, BaseORMException) as error:
                raise DatabaseUnavailable(
                    f"the migration {version_file} can't be applied: {error}; nothing was changed"
                ) from error
        mark = "?, ?, ?" if conn.capabilities.dialect == "sqlite" else "$1, $2, $3"
        await conn.execute_query(
            f"INSERT INTO aerich (version, app, content) VALUES ({mark})",
            [version_file, self.app, _described(self.app)],
        )


@cache
def _described(app: str) -> str:
    """The models as aerich notes them beside each migration. Made once: it takes 8 ms, longer than a migration of an
    empty database."""
    return encoder(get_models_describe(app))


async def _lacks_some(tx: Tx) -> bool:
    """Whether a migration is to be applied. aerich asks for each by itself, and that is most of a start.

    Raises:
        DatabaseTooNew: one is applied that this code does not know.
    """
    known = {f"{module.name}.py" for module in Migrate.get_all_version_modules()}
    applied = {row[0] for row in await tx.rows("SELECT version FROM aerich WHERE app = ?", orm.APP)}
    if unknown := sorted(applied - known):
        raise DatabaseTooNew(f"the database is newer than this program: it has the migration {unknown[-1]}; update it")
    return applied != known
