"""From a URL to an open database."""

from __future__ import annotations

from pathlib import Path

from engine.postgres_url import SCHEMES
from engine.store.database import Database
from engine.store.errors import DatabaseUnavailable
from engine.store.postgres import PostgresDatabase
from engine.store.sqlite import SqliteDatabase


async def open_database(url: str, *, inline: bool = False) -> Database:
    """Open ``sqlite://path``, ``sqlite://:memory:`` or ``postgres://…``.

    Args:
        url: where it is; the folder of a SQLite file is made.
        inline: SQLite without its threads: each statement runs in the caller's, as the simulation needs.

    Raises:
        DatabaseUnavailable: with one line that says why.
        DatabaseInUse: another engine owns the SQLite file.
    """
    if url.startswith("sqlite://"):
        return await SqliteDatabase.open(url.removeprefix("sqlite://"), inline=inline)
    scheme = url.partition(":")[0]
    if scheme.lower() in SCHEMES:
        return await PostgresDatabase.open(url)
    raise DatabaseUnavailable(f"the database URL must start with sqlite:// or postgres://, not {scheme!r}")


def sqlite_file(url: str) -> Path | None:
    """The file of a ``sqlite://`` URL; None for a database that is no file."""
    path = url.removeprefix("sqlite://")
    return None if path in {url, ":memory:"} else Path(path)
