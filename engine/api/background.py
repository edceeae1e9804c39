"""Changes that are carried through although their caller has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from common.logs import get_logger
from engine.api.repeats import Running

log = get_logger(__name__)
T = TypeVar("T")


class Background:
    """A change is stored and then told to delivery. A deadline may fall between the two: gRPC cancels
    the handler there, so both run in a task of their own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.running: Final = Running()
        """Here, since a request goes on running when its caller has gone."""

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``; when the caller is cancelled meanwhile, it goes on to its end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self, timeout_seconds: float) -> None:
        """Wait for what is still going on; what takes longer than that is left to delivery's next tick."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # The caller, if there still is one, has got the error; asking for it keeps asyncio from warning.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("rpc.change_failed", error=repr(error))
