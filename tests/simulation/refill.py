"""A SQLite in memory whose rows are made again what they were: its schema stays read, its statements stay prepared.

All that one life does is a single transaction of SQLite, which is never committed: its end makes everything what it was
at first. What the product takes for a transaction is a savepoint in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

_STATEMENTS: Final = 2048
"""More than the product has: one that is prepared stays so."""


class Refillable:
    """One connection. Refilled, it can't be told from a new one."""

    def __init__(self, content: bytes, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """``prepare``: what a connection needs to be used; it may be called before there are any tables."""
        self.connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=_STATEMENTS)
        prepare(self.connection)
        self.connection.deserialize(content)
        self._run = self.connection.execute

    def refill(self) -> None:
        """Put back the rows that there were at first, and no others."""
        if self.connection.in_transaction:
            self._run("ROLLBACK")
        self._run("BEGIN")

    def begin(self) -> None:
        """Begin a transaction; there is no other one."""
        self._run("SAVEPOINT inner")

    def commit(self) -> None:
        """End it."""
        self._run("RELEASE inner")

    def roll_back(self) -> None:
        """Undo it."""
        self._run("ROLLBACK TO inner")
        self._run("RELEASE inner")

    def settled(self) -> bytes:
        """The content, of which all is committed. After this it can't be refilled."""
        self._run("COMMIT")
        return self.connection.serialize()

    @property
    def is_settled(self) -> bool:
        """Whether ``settled`` was called."""
        return not self.connection.in_transaction
