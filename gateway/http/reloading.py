"""Certificates that are replaced while the gateway runs: its own for HTTPS, and what it shows to the engine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from common.logs import get_logger
from common.pem import PemFiles
from common.tls_files import TlsError

log = get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
"""How often the files are looked at."""


class Reloader:
    """Looks at some files, and has them read again when one was replaced, or on ``reload``. Files that are no good
    (one of a pair is written, the other not yet) change nothing until they are."""

    def __init__(self, period_seconds: float = PERIOD_SECONDS) -> None:
        self._period_seconds = period_seconds
        self._watched: list[tuple[str, PemFiles, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None

    def watch(self, name: str, paths: list[Path | None], read: Callable[[], None]) -> None:
        """Call ``read`` when one of ``paths`` changes. It raises TlsError, or an error of the file system."""
        self._watched.append((name, PemFiles([path for path in paths if path is not None]), read))

    def start(self) -> None:
        """Look at the files in the background."""
        if self._watched:
            self._task = asyncio.create_task(self._run(), name="certificates")

    async def stop(self) -> None:
        """Stop looking; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def reload(self) -> None:
        """Read all files again now, changed or not (SIGHUP)."""
        for _, files, _ in self._watched:
            files.forget()
        self.look()

    def look(self) -> None:
        """Read again what has changed."""
        for name, files, read in self._watched:
            if not files.changed():
                continue
            try:
                read()
            except (TlsError, OSError, ssl.SSLError) as error:
                log.error("tls.not_reloaded", of=name, error=str(error), still="the one before is in use")
            else:
                log.info("tls.reloaded", of=name)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period_seconds)
            self.look()
