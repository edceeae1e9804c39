"""Files of certificates and keys that are replaced while we run, as ACME clients and Kubernetes do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_Mark = tuple[int, int, int]


class PemFiles:
    """Says when one of several files was replaced or written."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._marks: tuple[_Mark | None, ...] | None = self._look()

    def changed(self) -> bool:
        """Whether one of them is another one than when this was last asked."""
        marks = self._look()
        if marks == self._marks:
            return False
        self._marks = marks
        return True

    def forget(self) -> None:
        """Let ``changed`` be true the next time, whatever the files are."""
        self._marks = None

    def _look(self) -> tuple[_Mark | None, ...]:
        return tuple(map(_mark, self._paths))


def _mark(path: Path) -> _Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
