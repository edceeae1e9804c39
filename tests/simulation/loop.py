"""An event loop in virtual time: it never waits, it moves the clock to the next timer.

Nothing here knows threads or sockets, so a run is a function of its seed. A ``Program`` is what freezes, thaws and
dies as one, as a process does: asyncio hands the context of a task on to all that it starts, and in the context is
whose task it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, Final

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z: when virtual time begins."""
PROGRAM: ContextVar[Program | None] = ContextVar("program", default=None)
"""Whose the running code is; ``None``: the world's."""
_MOST_TASKS: Final = 200


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulated program would wait for ever."""


class _Handle(list[Any]):
    """A callback to come: ``[when, number, callback, args, context]``, so that the earliest is the least. A life has
    some ten thousands: a list is made without a call of Python, and compared without one."""

    __slots__ = ()

    def cancel(self) -> None:
        self[2] = None

    def cancelled(self) -> bool:
        return self[2] is None

    def when(self) -> float:
        seconds: float = self[0]
        return seconds


class Program:
    """What freezes, thaws and dies as one. Its tasks are those that ``start`` starts, and all that they start."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name, self._loop = name, loop
        self.is_frozen = self.is_dead = False
        self.parked: list[_Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = copy_context()
        self.context.run(PROGRAM.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as part of this program."""
        if len(self.tasks) > _MOST_TASKS:  # most were short
            self.tasks = [task for task in self.tasks if not task.done()]
        return self._loop.create_task(work, context=self.context.copy())

    def freeze(self) -> None:
        """SIGSTOP: nothing of it runs until ``thaw``. Time goes on, and so does what it has asked others for."""
        self.is_frozen = True
        self._loop.halted.add(self)

    def thaw(self) -> None:
        """SIGCONT."""
        self.is_frozen = False
        if not self.is_dead:
            self._loop.halted.discard(self)
            self._loop.resume(self.parked)
            self.parked = []

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self.is_dead = True
        self._loop.halted.add(self)
        self.parked = []
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            if not task.done():
                self.context.copy().run(bury, task)


class VirtualLoop(asyncio.BaseEventLoop):
    """``time()`` is virtual, and so is every ``sleep``, ``call_later`` and ``timeout``."""

    _ready: Any
    _stopping: bool

    def __init__(self, start_seconds: float = 0.0) -> None:
        super().__init__()
        self._now_seconds = start_seconds
        self.now_us = round(start_seconds * 1_000_000)
        """``time()`` in microseconds, which is asked for thousands of times a life."""
        self._timers: list[_Handle] = []
        self._number = 0
        self.halted: set[Program] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        """Callbacks run so far: two runs that are the same have as many."""
        # A crash is a loop that is simply not run any more; what it leaves behind is no news.
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._now_seconds

    def pass_time(self, seconds: float) -> None:
        """The callback that runs now takes so long, or everything stands still."""
        self._go_to(self._now_seconds + seconds)

    def create_task(  # type: ignore[override]
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        program = PROGRAM.get() if context is None else context.get(PROGRAM)
        if program is not None:
            program.tasks.append(task)
            return task
        if len(self._tasks) > _MOST_TASKS:  # most were short
            self._tasks = self.tasks()
        self._tasks.append(task)
        return task

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those of no program that have not ended. asyncio would look for them among those of all loops that there
        were."""
        return [task for task in self._tasks if not task.done()]

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        handle = _Handle((0.0, 0, callback, args, copy_context() if context is None else context))
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        self._number = number = self._number + 1
        context = copy_context() if context is None else context
        handle = _Handle((self._now_seconds + delay, number, callback, args, context))
        heappush(self._timers, handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        self._number = number = self._number + 1
        context = copy_context() if context is None else context
        handle = _Handle((when, number, callback, args, context))
        heappush(self._timers, handle)
        return handle

    def resume(self, handles: list[_Handle]) -> None:
        """Run what was held back."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        """Until the loop is to stop: to come back here after each turn would cost as much as the turn."""
        ready, timers, halted = self._ready, self._timers, self.halted
        while True:
            while timers and timers[0][2] is None:
                heappop(timers)
            if not ready and not self._stopping:
                if not timers:
                    raise Stuck
                self._go_to(timers[0][0])
            while timers and timers[0][0] <= self._now_seconds:
                ready.append(heappop(timers))
            for _ in range(len(ready)):
                handle = ready.popleft()
                _, _, callback, args, context = handle
                if callback is None or (halted and self._is_held(handle)):
                    continue
                self.steps += 1
                context.run(callback, *args)
            if self._stopping:
                return

    def _go_to(self, seconds: float) -> None:
        if seconds > self._now_seconds:
            self._now_seconds = seconds
            self.now_us = round(seconds * 1_000_000)

    def _is_held(self, handle: _Handle) -> bool:
        program = handle[4].get(PROGRAM)
        if program is None or not (program.is_frozen or program.is_dead):
            return False
        if not program.is_dead:
            program.parked.append(handle)
        return True

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread."""


class VirtualClock:
    """``ports.Clock`` on a ``VirtualLoop``."""

    def __init__(self, loop: VirtualLoop, ahead_us: int = 0) -> None:
        """``ahead_us``: how far this machine's wall clock is ahead of the true time."""
        self._loop, self.ahead_us = loop, ahead_us

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, in virtual time."""
        return EPOCH_US + self.ahead_us + self._loop.now_us

    def monotonic_us(self) -> int:
        """Virtual time again: it never steps."""
        return self._loop.now_us

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller for virtual seconds."""
        await nap(seconds)


def nap(seconds: float) -> asyncio.Future[None]:
    """``asyncio.sleep``, in three quarters of its time: whoever is cancelled meanwhile leaves the timer alone."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, _wake, future)
    return future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def bury(task: asyncio.Task[Any]) -> None:
    """End a dead program's task now, while nothing that its `finally` blocks do can matter."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    for _ in range(5):  # code that catches what closing raises and waits again needs another push
        try:
            task.get_coro().close()
            return
        except RuntimeError:
            continue
