"""One owner for a SQLite file."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from engine.store.errors import DatabaseInUse, DatabaseUnavailable


class FileLock:
    """``<file>.lock``, held while the database is open; the kernel frees it when the process dies."""

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Raises:
            DatabaseInUse: it is held; the message names the holder's process id.
            DatabaseUnavailable: the lock file can't be made.
        """
        path = database.with_name(database.name + ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseUnavailable(f"can't open the database {database}: {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise DatabaseInUse(f"the database {database} is in use by another engine (process {holder})") from None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)
        except OSError as error:  # a full disk
            os.close(self._file)
            raise DatabaseUnavailable(f"can't open the database {database}: {path}: {error.strerror}") from None

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two different files."""
        with suppress(OSError):  # a disk that became read-only: a stop must not fail of it
            os.ftruncate(self._file, 0)
        os.close(self._file)
