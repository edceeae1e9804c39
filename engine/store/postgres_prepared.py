"""A transaction that writes runs only statements that its connection had prepared before.

asyncpg prepares a statement when a connection meets it for the first time: it sends Parse and Describe, reads the
answer, and then sends Bind, Execute and Sync. A process that is frozen between the two leaves the server in the middle
of a command, and then neither `idle_in_transaction_session_timeout` nor `statement_timeout` ends the transaction
(tried on PostgreSQL 15 and 18: after 15 s the locks were still held). Others would wait for its locks until it wakes.
Between whole commands the server ends it after `Limits.idle_seconds`. So a transaction that meets a new statement is
rolled back, the statement is prepared outside of any transaction, where it locks nothing, and the work runs again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import asyncpg

CACHE: Final = {
    "statement_cache_size": 300,
    "max_cached_statement_lifetime": 0,
    "max_cacheable_statement_size": 0,
}
"""Arguments of ``asyncpg.connect``: prepared statements are kept for as long as the connection, whatever their length.
More than 300, of which most are reads with lists in them, and the ones that were not used for longest go."""


class NotPrepared(Exception):
    """A statement that the connection has not prepared yet came up within a transaction that writes."""

    def __init__(self, sql: str) -> None:
        super().__init__(sql)
        self.sql = sql


class Prepared:
    """What a connection has prepared. ``connection`` is one of asyncpg's pool."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection._con
        self._record_class = self._connection._protocol.get_record_class()
        self._asked: set[str] = set()

    def check(self, sql: str) -> None:
        """Raise NotPrepared, unless the statement is there or was asked for by ``prepare``."""
        if not self._connection._stmt_cache.has((sql, self._record_class, False)) and sql not in self._asked:
            raise NotPrepared(sql)

    async def prepare(self, sql: str, seconds: float) -> None:
        """Prepare a statement; no transaction may be open. Raises TimeoutError, or InterfaceError: not connected."""
        self._asked.add(sql)  # without a cache it would be missing for ever
        self._connection._check_open()
        with suppress(asyncpg.PostgresError):  # the work runs again, gets the same error, and knows what to do with it
            await self._connection._get_statement(sql, seconds)
