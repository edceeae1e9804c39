"""A process's stop: asked for by SIGTERM or SIGINT, and over within its limit, whatever hangs.

A stop in order runs on the event loop. What it needs may be what hangs: a locked database, a call that takes no
cancellation, the event loop itself. So signals and the limit belong to threads of their own, and at the limit the
process leaves, whatever is still open; the next start finds that as it finds what a crash has left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any, Final, NoReturn, Protocol

from common.logs import get_logger

LEFT: Final = 3
"""The exit code of a process that left before its stop had ended."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LATE_SECONDS: Final = 0.3
"""So long after the limit a stop in order may still end: it aims at the limit itself."""
_WORDS_SECONDS: Final = 0.2
"""So long the last line may take, for whoever reads our log may hang as well."""
_AGAIN_SECONDS: Final = 0.1
_NAMES_SHOWN: Final = 10

log = get_logger(__name__)


class Service(Protocol):
    """What is started once and then stopped once, also when its start has failed or was cancelled."""

    async def start(self) -> None:
        """Begin; returns once it serves."""

    async def stop(self, seconds: float) -> None:
        """End in order, within ``seconds``."""

    def left_open(self) -> Mapping[str, object]:
        """What would stay open if the process left now, for its last line. Called from another thread."""


class Stop:
    """The one stop of a process. ``limit_seconds`` count from the moment at which it is asked for."""

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self._deadline: float | None = None
        self._beginning = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: asyncio.Event | None = None
        self._service: Service | None = None

    def watch_signals(self) -> None:
        """From now on SIGTERM and SIGINT begin the stop, and a second one leaves at once.

        Before any other thread begins, for threads inherit that these signals are not for them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=self._wait_for_signals, name="signals", daemon=True).start()

    def begin(self) -> None:
        """Begin the stop, if it has not begun yet. From any thread."""
        with self._beginning:
            if self._deadline is not None:
                return
            self._deadline = time.monotonic() + self.limit_seconds
            threading.Thread(target=self._keep_limit, name="limit", daemon=True).start()
            if self._loop is not None and self._asked is not None:
                self._loop.call_soon_threadsafe(self._asked.set)

    @property
    def left_seconds(self) -> float:
        """How much of the limit is left; all of it before the stop has begun, never less than 0."""
        if self._deadline is None:
            return self.limit_seconds
        return max(0.0, self._deadline - time.monotonic())

    async def serve(self, service: Service) -> None:
        """Start, wait until a stop is asked for, and stop. A start that is under way then is given up.

        Raises:
            Exception: what ``service.start`` has raised.
        """
        asked = asyncio.create_task(self._follow(service).wait(), name="stop asked")
        starting = asyncio.create_task(service.start(), name="start")
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asked
        finally:
            self.begin()
            await end({starting, asked}, self.left_seconds)
            if starting.done() and not starting.cancelled():
                starting.exception()  # of a start that was given up nobody else will ask
            await service.stop(self.left_seconds)

    def _follow(self, service: Service) -> asyncio.Event:
        with self._beginning:
            self._service, self._loop, self._asked = service, asyncio.get_running_loop(), asyncio.Event()
            if self._deadline is not None:
                self._asked.set()
        return self._asked

    def _wait_for_signals(self) -> None:
        signal.sigwait(_SIGNALS)
        self.begin()
        signal.sigwait(_SIGNALS)
        self._leave()  # asked twice: whoever asks does not want to wait

    def _keep_limit(self) -> None:
        time.sleep(self.limit_seconds + _LATE_SECONDS)
        self._leave()

    def _leave(self) -> NoReturn:
        # Another thread, for a line may have to wait: for the log's lock, or for a pipe that nobody empties.
        words = threading.Thread(target=self.say_what_is_open, name="last words", daemon=True)
        words.start()
        words.join(_WORDS_SECONDS)
        os._exit(LEFT)

    def say_what_is_open(self) -> None:
        """The last line of a process that leaves something open."""
        service, loop = self._service, self._loop
        tasks = [] if loop is None else sorted(task.get_name() for task in asyncio.all_tasks(loop))
        log.error(
            "stop.limit_over",
            limit_seconds=self.limit_seconds,
            **(service.left_open() if service is not None else {}),
            tasks=", ".join(tasks[:_NAMES_SHOWN]),
            remedy="the next start goes on with what is left open",
        )


async def end(tasks: Collection[asyncio.Task[Any]], seconds: float) -> set[asyncio.Task[Any]]:
    """Cancel tasks until they have ended, for ``seconds`` at most; return those that have not.

    Once is not enough: a task goes on when a library swallows its cancellation (docs/measured.md).
    """
    loop = asyncio.get_running_loop()
    deadline, pending = loop.time() + seconds, {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        left_seconds = max(0.0, deadline - loop.time())
        _, pending = await asyncio.wait(pending, timeout=min(_AGAIN_SECONDS, left_seconds))
        if left_seconds <= _AGAIN_SECONDS:
            break
    return pending
