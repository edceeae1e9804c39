"""What an error of the database is about: this row, a rival, or the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from tortoise.exceptions import BaseORMException

from engine.store.errors import StoreUnavailable

ROW_CLASSES: Final = ("21", "22", "23", "44")
"""SQLSTATE classes of errors that a row has caused: too many of it, an impossible value, a constraint, a view's check.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
CONFLICTS: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# Another transaction was quicker with the same key, or removed what we refer to: the work, run once
# more, sees it and says so in its own words.
RACES: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.RestrictViolationError,  # what PostgreSQL 18 says where ON DELETE RESTRICT holds, and 17 says the one above
)


class ConnectionLost(Exception):
    """A connection has ended, and for certain nothing of its transaction has taken effect. Its text says why."""


def is_away(error: BaseException) -> bool:
    """Whether the database can't serve us now, whatever we ask: all its errors but those of a row.

    Decided by kind, for no list is whole: a server that became read-only, or ran out of connections or disk, a broken
    page, a table that somebody dropped. Taken for a fault of the row each would cost an outcome.
    """
    if isinstance(error, BaseORMException):
        return error.__cause__ is not None and is_away(error.__cause__)
    if isinstance(error, asyncpg.PostgresError):
        return not (error.sqlstate or "").startswith(ROW_CLASSES)
    if isinstance(error, ValueError):
        return False  # the driver can't write an argument in its type: one of the row's values
    return isinstance(error, ConnectionLost | asyncpg.InterfaceError | asyncpg.InternalClientError | OSError)


@contextmanager
def said_to_callers() -> Iterator[None]:
    """Make an error of the database itself ``StoreUnavailable``; others go on as they are."""
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise StoreUnavailable(f"the database: {line(error)}") from error
        raise


def was_not_run(error: BaseException) -> bool:
    """Whether a statement has certainly not run, judged by its error: we knew before it was sent that the connection is
    gone, it could not be sent, or the server had ended the session before it read it."""
    why: BaseException | None = error
    while why is not None:
        if isinstance(why, asyncpg.InternalClientError):
            return str(why).startswith(("not connected", "cannot switch to state"))
        if isinstance(why, asyncpg.InterfaceError | asyncpg.IdleInTransactionSessionTimeoutError | BrokenPipeError):
            return True
        why = why.__cause__
    return False


def line(error: BaseException) -> str:
    """The first line of an error's text, or its type when it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
