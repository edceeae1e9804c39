"""Work that goes on when its caller is gone: an RPC past its deadline, or an actor that does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from common.logs import get_logger
from engine.ports import StoreUnavailable

log = get_logger(__name__)


class Background:
    """Keeps the tasks alive, for asyncio itself does not."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it without being waited for. The log names its error, but not that the store is away."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``; it goes on to its end when the caller is cancelled."""
        await asyncio.shield(self.start(work))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, StoreUnavailable):
            log.warning("delivery.background", error=repr(error))
