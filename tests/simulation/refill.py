"""A SQLite in memory whose rows are made again what they were: its schema stays read, its statements stay prepared."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from graphlib import TopologicalSorter
from typing import Any, Final

_STATEMENTS: Final = 2048
"""More than the product has: one that is prepared stays so."""


class Refillable:
    """One connection. Refilled, it can't be told from a new one."""

    def __init__(self, content: bytes, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """``prepare``: what a connection needs to be used; it may be called before there are any tables."""
        self.connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=_STATEMENTS)
        prepare(self.connection)
        self.connection.deserialize(content)
        parents_first = _parents_first(self.connection)
        self._deletions = [f"DELETE FROM {name}" for name in reversed(parents_first)]
        self._insertions = [
            insertion for name in parents_first if (insertion := _insertion(self.connection, name)) is not None
        ]
        # Rows with keys that were put in have changed it.
        self._sequences = self.connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()

    def refill(self) -> None:
        """Put back the rows that there were at first, and no others."""
        run = self.connection.execute
        if self.connection.in_transaction:
            run("ROLLBACK")
        run("BEGIN")
        for deletion in self._deletions:
            run(deletion)
        for insertion, rows in self._insertions:
            self.connection.executemany(insertion, rows)
        run("DELETE FROM sqlite_sequence")
        self.connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", self._sequences)
        run("COMMIT")


def _parents_first(connection: sqlite3.Connection) -> list[str]:
    """All tables, so that rows can be put in by this order, and removed by the reverse one. Those that refer to nobody
    and to which nobody refers come first: what triggers write into them while others are emptied is removed at last."""
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    parents = {
        name: {row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")} - {name}
        for (name,) in named.fetchall()
    }
    referred = {parent for of_one in parents.values() for parent in of_one}
    alone = [name for name, of_one in parents.items() if not of_one and name not in referred]
    return alone + [name for name in TopologicalSorter(parents).static_order() if name not in alone]


def _insertion(connection: sqlite3.Connection, name: str) -> tuple[str, Sequence[Any]] | None:
    rows = connection.execute(f"SELECT * FROM {name}").fetchall()
    if not rows:
        return None
    return f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows
