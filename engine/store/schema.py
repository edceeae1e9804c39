"""Whether a database is ours, and has what this code needs: asked at each start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.store import orm
from engine.store.database import Tx
from engine.store.errors import DatabaseUnavailable

NO_CONTROL: Final = "the control record is missing: somebody has deleted it; restore a backup"
_BOOKKEEPING: Final = "aerich"
_NAMED_MAX: Final = 5


async def refuse_others(tx: Tx) -> None:
    """See that a database which this program has not migrated yet has no tables of somebody else. In a file there may
    be none; a server's database may be shared, as long as no table has the name of one of ours.

    Raises:
        DatabaseUnavailable: it has.
    """
    tables = (await _found(tx)).keys()
    if _BOOKKEEPING in tables and await tx.row("SELECT 1 FROM aerich WHERE app = ? LIMIT 1", orm.APP):
        return
    if tx.dialect.is_sqlite and (others := tables - {_BOOKKEEPING}):
        raise DatabaseUnavailable(f"this is another program's database: it has the tables {_named(others)}")
    if taken := tables & _needed().keys():
        raise DatabaseUnavailable(f"another program's tables have the names that this one needs: {_named(taken)}")


async def verify(tx: Tx) -> None:
    """See that a migrated database has all tables and columns of the models, and the control record.

    Raises:
        DatabaseUnavailable: what is missing.
    """
    found = await _found(tx)
    missing: list[str] = []
    for table, columns in _needed().items():
        if table in found:
            missing += [f"the column {table}.{name}" for name in columns - found[table]]
        else:
            missing.append(f"the table {table}")
    if missing:
        raise DatabaseUnavailable(
            f"the database is damaged, or was changed by hand: it lacks {_named(missing)}; restore a backup"
        )
    if await tx.row("SELECT 1 FROM control WHERE id = 1") is None:
        raise DatabaseUnavailable(NO_CONTROL)


def _needed() -> dict[str, set[str]]:
    """Each table of the models, and its columns."""
    return {
        model._meta.db_table: set(model._meta.fields_db_projection.values())
        for model in orm.models()
        if model._meta.db_table != _BOOKKEEPING
    }


async def _found(tx: Tx) -> dict[str, set[str]]:
    if tx.dialect.is_sqlite:
        sql = (
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite^_%' ESCAPE '^'"
        )
    else:
        # information_schema.columns looks for rights and types too, which takes a multiple of the time.
        sql = (
            "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'f')"
            " AND a.attnum > 0 AND NOT a.attisdropped"
        )
    tables: dict[str, set[str]] = {}
    for table, column in await tx.rows(sql):
        tables.setdefault(table, set()).add(column)
    return tables


def _named(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMED_MAX
    return ", ".join(ordered[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
