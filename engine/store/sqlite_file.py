"""The files of a SQLite database: who owns them, who may read them, and whether they are still there."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from common import private
from common.logs import get_logger
from engine.store.errors import DatabaseUnavailable, StoreUnavailable
from engine.store.lock import FileLock
from engine.store.schema import refuse_others
from engine.store.sqlite_tx import SqliteTx, drive, make_client

MEMORY: Final = ":memory:"
_FILES: Final = ("", "-wal", "-shm", "-journal", ".lock")
_PERIOD_SECONDS: Final = 1.0
_Identity = tuple[int, int]

_REMEDY: Final = (
    "nothing is sent or stored any more: stop the engine, put the right file in place, start it again"
    " (docs/operating.md says how to save what the lost file holds)"
)

log = get_logger(__name__)


def own(path: str) -> FileLock | None:
    """Make the folder, and take the lock; None: a database in memory needs none.

    Raises:
        DatabaseInUse: another engine has it.
        DatabaseUnavailable: the folder or the lock can't be made.
    """
    if path == MEMORY:
        return None
    file = Path(path)
    try:
        private.make_folder(file.parent)
    except OSError as error:
        raise DatabaseUnavailable(f"can't make the folder {file.parent} for the database: {error.strerror}") from None
    return FileLock(file)


def check_before_opening(path: str) -> None:
    """See what is there before anything is changed: opening as usual alters the file's mode and its journal's.

    Raises:
        DatabaseUnavailable: it is not ours, or what is left of it would be lost.
        sqlite3.DatabaseError: it is no database.
    """
    file, journal = Path(path), Path(f"{path}-wal")
    if path == MEMORY:
        return
    if file.exists() and not file.is_file():
        raise DatabaseUnavailable("it is a folder or a device")
    if file.exists() and not os.access(file, os.W_OK):  # SQLite would open it to read, and all would fail that comes
        raise DatabaseUnavailable("this user may not write to it, or its disk is read-only")
    if not (file.exists() and file.stat().st_size):
        if journal.exists() and journal.stat().st_size:
            raise DatabaseUnavailable(
                f"there is {journal}, which holds the latest changes, and not the file that it belongs to:"
                " put that back, or move the other away to begin with nothing"
            )
        return
    # Not when it is locked, or was left by a crash so that reading needs writing: opening it says what is wrong.
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        drive(refuse_others(SqliteTx(connection, make_client(path))))


def keep_private(path: str) -> None:
    """Let only this user read the database, and what a crash has left beside it. Called before it is opened: SQLite
    gives the files that it makes itself the mode of the database."""
    if path == MEMORY:
        return
    private.make_file(Path(path))
    open_to_others = [name for end in _FILES if not private.tighten(Path(name := path + end))]
    if open_to_others:
        log.warning("database.readable_by_others", files=open_to_others, effect="they are not ours to change")


class FileWatch:
    """The files of an open database: itself, its log and the log's index.

    A file that is removed or replaced stays open: SQLite goes on writing to a file without a name, and at the end all
    of that is lost. Once this was seen, it holds until the engine is started again: what happened to the files in the
    meantime can't be known."""

    def __init__(self, path: str) -> None:
        """Remember the files as they are now, with the database open."""
        found = {name: _identity(name) for name in (path, f"{path}-wal", f"{path}-shm")}
        self._files = {name: identity for name, identity in found.items() if identity is not None}
        self._checked_seconds = 0.0
        self.gone = ""
        """What has happened; empty: nothing that was seen."""

    def check(self) -> None:
        """Look at the disk, once a second at most. From any thread.

        Raises:
            StoreUnavailable: the files are not those that were opened, or can't be looked at just now.
        """
        now_seconds = time.monotonic()
        if now_seconds - self._checked_seconds >= _PERIOD_SECONDS and not self.gone:
            self.gone = self._what_is_gone()
            self._checked_seconds = now_seconds
        if self.gone:
            raise StoreUnavailable(self.gone)

    def _what_is_gone(self) -> str:
        for name, opened in self._files.items():
            try:
                found = _identity(name)
            except OSError as error:
                raise StoreUnavailable(f"the database file {name}: {error.strerror}") from error
            if found != opened:
                what = "removed" if found is None else "replaced by another file"
                return f"the database file {name} was {what} while the engine runs; {_REMEDY}"
        return ""


def _identity(name: str) -> _Identity | None:
    try:
        found = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
