"""BackUp: the database as a file, streamed while engines send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from common.logs import get_logger
from engine.api.errors import Stopping
from engine.ports import Clock, StoreUnavailable
from engine.store.errors import DatabaseUnavailable
from engine.store.rows import Actor
from engine.store.store import Store

_PART_BYTES: Final = 256 * 1024

log = get_logger(__name__)


class Backups:
    """One copy at a time: each takes as much of the disk as the database."""

    def __init__(self, store: Store, clock: Clock, stopping: asyncio.Event) -> None:
        self._store, self._clock, self._stopping = store, clock, stopping
        self._turn = asyncio.Lock()

    async def parts(self, by: Actor) -> AsyncIterator[bytes]:
        """Copy, then give the copy in parts. It has no name, so nothing is left of it when this process dies.

        Raises:
            Impossible: the database is on a server.
            StoreUnavailable: it can't be copied just now: the disk is full, perhaps.
        """
        async with self._turn:
            await self._store.note_backup(by, self._clock.now_us())
            try:
                copy = await self._store.open_copy(self._clock.now_us())
            except DatabaseUnavailable as error:
                log.warning("backup.failed", error=str(error))
                raise StoreUnavailable(str(error)) from None
            with copy:
                while part := await asyncio.to_thread(copy.read, _PART_BYTES):
                    if self._stopping.is_set():
                        raise Stopping
                    yield part
