"""What SQLite itself finds wrong with a file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.store.lock import FileLock

_LINES_MAX: Final = 20
_OWN_LINE: Final = "*** in database main ***"


def damage_of(file: Path) -> list[str]:
    """Check the structure of all pages, indexes against their tables, constraints and references. Nothing is written to
    the database. Reads all of it: a gigabyte in some ten seconds.

    What it can't see is a wrong value in a right place, for SQLite's pages have no checksums.

    Returns:
        A line for each fault, of very many the first; empty: none.

    Raises:
        DatabaseInUse: an engine runs on it.
        DatabaseUnavailable: the lock file can't be made.
    """
    lock = FileLock(file)
    try:
        return faults_of(file)
    finally:
        lock.release()


def faults_of(file: Path) -> list[str]:
    """The same of a file that nobody else has."""
    try:
        # Read only: opened as usual, a damaged file would get the contents of its log when it is closed.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return _faults(connection)
    except sqlite3.Error as error:
        return [str(error)]


def _faults(connection: sqlite3.Connection) -> list[str]:
    faults: list[str] = []
    try:
        for (text,) in connection.execute(f"PRAGMA integrity_check({_LINES_MAX})"):
            faults += [line for line in str(text).splitlines() if line not in ("ok", _OWN_LINE)]
        if not faults:
            rows = connection.execute("PRAGMA foreign_key_check").fetchmany(_LINES_MAX)
            faults += [f"row {row} of {table} refers to a missing {parent}" for table, row, parent, _ in rows]
    except sqlite3.DatabaseError as error:
        faults.append(str(error))
    return faults[:_LINES_MAX]
