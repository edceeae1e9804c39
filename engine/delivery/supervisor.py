"""Keeps the actors running: one that fails is started again with backoff, and shows in the health status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from common.line_limit import LineLimit
from common.logs import get_logger
from common.stopping import end
from engine.domain.retry import RetryPolicy
from engine.ports import Clock, StoreUnavailable

_RESTART = RetryPolicy(base_seconds=0.2, max_seconds=10.0)
# Outcomes that wait for the store must be there before the others take their leases for expired.
_RESTART_WITHOUT_STORE = RetryPolicy(base_seconds=0.2, max_seconds=1.0)
# An actor that has run for this long since its last failure is well again.
_WELL_AFTER_US = 5_000_000

log = get_logger(__name__)


@dataclass(slots=True)
class ActorHealth:
    """How one actor is doing."""

    name: str
    running: bool = False
    restarts: int = 0
    last_error: str = ""
    failed_us: int = 0

    def is_well(self, now_us: int) -> bool:
        """True when it runs and has not failed lately."""
        # A clock that stepped back must not make it longer.
        return self.running and not (self.failed_us and 0 <= now_us - self.failed_us <= _WELL_AFTER_US)


class Supervisor:
    """Owns the actors' tasks."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock, self._random = clock, random
        self._lines = LineLimit()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._health: dict[str, ActorHealth] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run the actor until it is stopped."""
        self._health[name] = ActorHealth(name)
        self._tasks[name] = asyncio.create_task(self._supervise(name, run), name=name)

    async def stop(self, *names: str, seconds: float = 10.0) -> list[str]:
        """Stop these actors (those that there are) and wait until they have ended, for ``seconds`` at most; return the
        names of those that have not."""
        tasks = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for name in names:
            self._health.pop(name, None)
        return sorted(task.get_name() for task in await end(tasks, seconds))

    def names(self, prefix: str = "") -> list[str]:
        """The running actors whose names start with ``prefix``."""
        return [name for name in self._tasks if name.startswith(prefix)]

    def health(self) -> list[ActorHealth]:
        """How each actor is doing."""
        return list(self._health.values())

    async def _supervise(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        health = self._health[name]
        failures, restart = 0, _RESTART
        while True:
            health.running = True
            try:
                await run()
                break
            except Exception as error:
                now_us = self._clock.now_us()
                failures = 1 if now_us - health.failed_us > _WELL_AFTER_US * 2 else failures + 1
                health.running, health.failed_us = False, now_us
                health.restarts += 1
                health.last_error = f"{type(error).__name__}: {error}"
                restart = self._restart_after(name, error, health.restarts)
            await self._clock.sleep(restart.delay_seconds(failures, 0.5 + self._random.random() / 2))
        # A worker that is one too many ends by itself; nothing else does.
        self._tasks.pop(name, None)
        self._health.pop(name, None)

    def _restart_after(self, name: str, error: Exception, restarts: int) -> RetryPolicy:
        """How to start an actor again. That the store is away is no bug, and the store itself says so in the log."""
        if isinstance(error, StoreUnavailable):
            return _RESTART_WITHOUT_STORE
        cause = name.partition("-")[0], type(error)  # hundreds of workers may have the same bug
        self._lines.write(log.error, "actor.failed", cause, actor=name, restarts=restarts, exc_info=error)
        return _RESTART
