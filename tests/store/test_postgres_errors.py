"""Which errors of PostgreSQL cost a row, and which say that the database is away."""

from __future__ import annotations

import asyncpg
import pytest
from asyncpg.exceptions import _base
from tortoise.exceptions import IntegrityError, OperationalError

from engine.store import StoreUnavailable
from engine.store.postgres_errors import is_away, said_to_callers

AWAY = {
    "08000": "connection exception",
    "08003": "the connection does not exist",
    "08006": "the connection failed",
    "08P01": "protocol violation",
    "0A000": "a cached plan that a migration made wrong",
    "25006": "read-only: a failover, or a full managed disk",
    "25P02": "the transaction has failed",
    "25P03": "too long idle in a transaction",
    "26000": "a prepared statement that a pooler does not know",
    "28000": "no such user here",
    "28P01": "another password",
    "3D000": "no such database any more",
    "40001": "could not serialize",
    "40P01": "deadlock",
    "42501": "rights were taken away",
    "42P01": "a table was dropped",
    "53000": "insufficient resources",
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "54000": "a limit of the server",
    "55000": "a dropped index, a database that takes no connections",
    "55P03": "lock not available",
    "57014": "statement timeout",
    "57P01": "admin shutdown",
    "57P02": "crash shutdown",
    "57P03": "cannot connect now: starting up",
    "57P05": "idle session timeout",
    "58000": "system error",
    "58030": "I/O error",
    "58P01": "a file is missing",
    "F0000": "configuration file error",
    "XX000": "internal error",
    "XX001": "a corrupt page",
    "XX002": "a corrupt index",
    "99999": "one that nobody knows yet",
}
ROW = {
    "21000": "the same row twice in one statement",
    "22001": "text too long",
    "22003": "number out of range",
    "22021": "a character that can't be stored",
    "22P02": "no number",
    "23502": "not null",
    "23503": "foreign key",
    "23505": "unique",
    "23514": "check",
    "44000": "a view's check",
}


def error_of(sqlstate: str) -> asyncpg.PostgresError:
    """As the driver makes it from the server's words."""
    made = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": "said"}, query=None)
    assert isinstance(made, asyncpg.PostgresError)
    assert made.sqlstate == sqlstate
    return made


@pytest.mark.parametrize("sqlstate", AWAY, ids=lambda code: f"{code} {AWAY[code]}")
def test_the_database_is_away(sqlstate: str) -> None:
    with pytest.raises(StoreUnavailable, match="the database: said"), said_to_callers():
        raise error_of(sqlstate)


@pytest.mark.parametrize("sqlstate", ROW, ids=lambda code: f"{code} {ROW[code]}")
def test_the_row_is_at_fault(sqlstate: str) -> None:
    with pytest.raises(asyncpg.PostgresError), said_to_callers():
        raise error_of(sqlstate)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("got result for unknown protocol state"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(24, "too many open files"), True),
        (_base.DataError("invalid input for query argument $1: value out of int64 range"), False),
        (KeyError("ours"), False),
        (ValueError("ours"), False),
    ],
)
def test_errors_of_the_driver_and_of_ours(error: Exception, away: bool) -> None:
    assert is_away(error) is away


@pytest.mark.parametrize(
    ("kind", "sqlstate", "away"), [(IntegrityError, "23505", False), (OperationalError, "42P01", True)]
)
def test_what_tortoise_wraps_is_what_it_was(kind: type[Exception], sqlstate: str, away: bool) -> None:
    wrapped = kind("said")
    wrapped.__cause__ = error_of(sqlstate)
    assert is_away(wrapped) is away
    assert not is_away(kind("Tortoise's own"))
