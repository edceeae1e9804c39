"""Copies of a SQLite file: made while an engine writes to it, and put in place of one that is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common import private
from engine.store.damage import faults_of
from engine.store.errors import DatabaseUnavailable


def copy_file(source: Path, target: Path, now_us: int) -> None:
    """Make a copy as of one moment, marked as a copy. It appears under its name when it is whole.

    ``VACUUM INTO`` reads one state beside the writers, in one go. It copies no page that is free, so nothing of what
    was deleted comes along.

    Raises:
        DatabaseUnavailable: there is no database, there is a file at the target, or the disk is full.
    """
    if not (source.is_file() and source.stat().st_size):
        raise DatabaseUnavailable(f"there is no database in {source}")
    with _new_file(target) as part:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", [str(part)])
        with closing(sqlite3.connect(part)) as connection, connection:
            columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(control)")}
            if columns and "copied_us" not in columns:
                return  # a database that an upgrade has not migrated yet: ``restore`` marks it
            connection.execute("UPDATE control SET copied_us = ?", [now_us])


def open_copy(source: Path, now_us: int) -> BinaryIO:
    """Make a copy and open it. It has no name any more: it is gone when it is closed, however that comes.

    Raises:
        DatabaseUnavailable: see ``copy_file``.
    """
    target = source.with_name(f"{source.name}.copy")
    target.unlink(missing_ok=True)  # of a process that was killed
    copy_file(source, target, now_us)
    opened = target.open("rb")
    target.unlink()
    return opened


@contextmanager
def restored(copy: Path, database: Path) -> Iterator[Path]:
    """Give a file that holds what the copy does, to be made ready in the block. After it the file is the database.

    Raises:
        DatabaseUnavailable: there is a database already, or the copy is missing or damaged.
    """
    if not copy.is_file():
        raise DatabaseUnavailable(f"there is no file {copy}")
    if left := [name for end in ("", "-wal") if _has_bytes(name := Path(f"{database}{end}"))]:
        raise DatabaseUnavailable(f"there is {left[0]} already: move it away first, or restore to another file")
    with suppress(FileNotFoundError):
        if not database.stat().st_size:
            database.unlink()
    with _new_file(database) as part:
        shutil.copyfile(copy, part)
        if faults := faults_of(part):
            raise DatabaseUnavailable(f"the copy {copy} is damaged: {faults[0]}")
        yield part


def _has_bytes(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """See ``private.new_file``; of what SQLite puts beside it nothing stays."""
    try:
        with private.new_file(target) as part:
            try:
                yield part
            finally:
                for end in ("-wal", "-shm", "-journal", ".lock"):
                    Path(f"{part}{end}").unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DatabaseUnavailable(f"can't make {target}: {why}") from None
