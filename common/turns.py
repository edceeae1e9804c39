"""Long work in short turns: other requests are answered between them, however many pieces of such work there are."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary

TURN_SECONDS: Final = 0.003
REST_SECONDS: Final = 10 * TURN_SECONDS
"""After each turn of work that serves nobody: four such works take a third of a core, and not the whole."""


class Turns:
    """``await pause()`` after each piece of work: when the turn has lasted long enough it lets others go on.

    Of all that works in turns on an event loop, one has its turn each time that the loop goes round. A request needs
    some rounds; with many imports in each of them it would wait for all of these every time.
    """

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = time.perf_counter() + TURN_SECONDS

    async def pause(self, *, rests: bool = False) -> None:
        """End the turn when its time is over, and wait for the next one; ``rests``: for longer than need be."""
        if time.perf_counter() >= self._end:
            if rests:
                await asyncio.sleep(REST_SECONDS)
            loop = asyncio.get_running_loop()
            queue = _QUEUES.get(loop)
            if queue is None:
                queue = _QUEUES[loop] = _Queue()
            await queue.next_turn(loop)
            self._end = time.perf_counter() + TURN_SECONDS


class _Queue:
    """Those who wait for a turn: one goes on a round of the loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_awake = False

    async def next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_awake:
            self._is_awake = True
            loop.call_soon(self._give, loop)
        await turn

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # its work was cancelled meanwhile
                turn.set_result(None)
                break
        self._is_awake = bool(self._waiting)
        if self._is_awake:
            loop.call_soon(self._give, loop)


_QUEUES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue]] = WeakKeyDictionary()
