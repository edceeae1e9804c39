"""Files and folders that other users of the machine can't read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_OTHERS = 0o077


def umask() -> None:
    """From now on this process and its children make everything for their own user only."""
    os.umask(_OTHERS)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing. One that is there stays as it is: it may be shared.

    Raises:
        OSError: as ``mkdir``.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty file unless there is one, and see that others can't read it.

    Raises:
        OSError: as ``open``.
    """
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    except FileExistsError:
        tighten(file)


def write(file: Path, text: str) -> None:
    """Put a whole file in place of the old one, readable by its owner only from the first moment on; make its folder.

    Raises:
        OSError: it can't be written.
    """
    make_folder(file.parent)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Give a file to write to. It gets its name when the block has ended well, and is removed otherwise.

    Raises:
        OSError: there is a file of that name, or it can't be written.
    """
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    make_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        make_file(part)
        yield part
        _flush(part)
        part.rename(target)
        _flush(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before anything else happens."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def check_write(file: Path) -> None:
    """Raise OSError where ``write`` could not write the file; what it holds stays."""
    make_folder(file.parent)
    trial = file.with_name(f"{file.name}.{os.getpid()}")
    os.close(os.open(trial, os.O_WRONLY | os.O_CREAT, FILE_MODE))
    trial.unlink()


def tighten(file: Path) -> bool:
    """Take all rights of others from a file of ours. False: it is there, is not ours, and others have rights."""
    try:
        found = file.stat()
        if not (file.is_file() and found.st_mode & _OTHERS):
            return True
        if found.st_uid != os.geteuid():
            return False
        file.chmod(found.st_mode & ~_OTHERS & 0o7777)
    except FileNotFoundError:
        pass
    return True


def opener(path: str, flags: int) -> int:
    """For ``open(…, opener=opener)``: a file that is made is for its owner only; one that is there stays as it is."""
    return os.open(path, flags, FILE_MODE)
