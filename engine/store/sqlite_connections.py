"""The connections to a SQLite file: their settings, and the thread of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.store.database import LONG_AT_ONCE, Lane
from engine.store.sqlite_file import MEMORY
from engine.store.sqlite_threads import Inline, Interruptible, Patience, Runner, Threaded

R = TypeVar("R", bound=Runner)

_PRAGMAS = {
    "busy_timeout": 0,  # ms; ``Patience`` waits for a file that a backup tool has locked
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: costs nothing once outcomes share commits (docs/measured.md)
    "foreign_keys": 1,
    # KiB, of each connection, filled when used; what is not here is in the system's cache. Measured: with four times as
    # much a million rows are imported, in random order, and messages made, claimed and recorded for the same.
    "cache_size": -8192,
    "temp_store": 2,  # memory
    "secure_delete": 1,  # what is deleted is written over with zeros: a phone number goes with its client
    # Pages of 4 KiB in the log before it begins again from its start. To write over them costs less than to make the
    # file longer: measured with small transactions, 1,000 and 2,000 are cheaper than 250 or 8,000.
    "wal_autocheckpoint": 2000,
    # Bytes. While somebody reads an old state for long, the log grows; afterwards it is cut when it begins again.
    "journal_size_limit": 32 * 1024 * 1024,
}
_NEAR_PRAGMAS = {
    "query_only": 1,
    "cache_size": -4096,  # KiB: the inner pages of the indexes of ten million rows; the rest is in the system's cache
}
_READER_PRAGMAS = {"query_only": 1}
_EVENT_PRAGMAS = {"query_only": 1, "cache_size": -4096}  # KiB: it reads the newest rows of a few small tables
_LONG_PRAGMAS = {"query_only": 1, "cache_size": -2048}  # KiB: a scan reads each page once, and the system caches them


@dataclass(slots=True)
class Connections:
    """All connections to one file. A database in memory has one only, and the simulation needs no more than two."""

    writer: Runner
    readers: Mapping[Lane, Runner]
    long: Sequence[Runner]
    near: Inline | None
    """For ``look_up``."""
    opened: Sequence[Runner]

    @classmethod
    async def open(cls, path: str, inline: bool) -> Connections:
        """Open all of them.

        Raises:
            sqlite3.Error: one of them can't be opened; none is open.
        """
        opened: list[Runner] = []

        async def connect(pragmas: Mapping[str, int], make: Callable[[str], Awaitable[R]]) -> R:
            runner = await make(path)
            opened.append(runner)
            patience = Patience()
            until_seconds, values = patience.until_seconds(), {**_PRAGMAS, **pragmas}
            await runner.call(lambda it: patience.call(lambda: _set_pragmas(it, path, values), until_seconds))
            return runner

        try:
            writer = await connect({}, _inline if inline else Threaded.open)
            if inline or path == MEMORY:
                reader = writer if path == MEMORY else await connect(_READER_PRAGMAS, _inline)
                return cls(writer, dict.fromkeys(Lane, reader), [reader], None, opened)
            delivery = await connect(_READER_PRAGMAS, Threaded.open)
            api = await connect(_READER_PRAGMAS, Threaded.open)
            events = await connect(_EVENT_PRAGMAS, Threaded.open)
            readers = {Lane.DELIVERY: delivery, Lane.API: api, Lane.EVENTS: events, Lane.UPKEEP: api}
            near = await connect(_NEAR_PRAGMAS, _inline)
            long = [await connect(_LONG_PRAGMAS, Interruptible.open) for _ in range(LONG_AT_ONCE)]
            return cls(writer, readers, long, near, opened)
        except BaseException:
            await _close(opened)
            raise

    async def close(self) -> None:
        """Close them after what was asked of them before; the writer last, for it empties the log."""
        await _close(self.opened)


async def _inline(path: str) -> Inline:
    return Inline(path)


async def _close(runners: Sequence[Runner]) -> None:
    for runner in reversed(runners):
        await runner.close()


def _set_pragmas(connection: sqlite3.Connection, path: str, pragmas: dict[str, Any]) -> None:
    """Set, then read back: SQLite ignores what it does not know without a word."""
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value and not (path == MEMORY and name == "journal_mode"):
            raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {value}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
