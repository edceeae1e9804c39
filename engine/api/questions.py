"""Questions that cost much: few at a time, callers take turns, equal ones are asked once, and none for nobody.

What a caller can make us do is bounded, so that sending goes on beside it (docs/decisions/lanes.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from common.error_codes import ErrorCode
from engine.store.database import LONG_AT_ONCE, LONG_SECONDS
from engine.store.errors import TooLong

V = TypeVar("V")

EVERYBODY: Final = ""
"""The caller of a question whose answer is kept for all."""

SHARE: Final = 0.25
"""While messages are sent, questions take this part of one processor, not counting the first ``BURST_SECONDS``."""
BURST_SECONDS: Final = 0.5
_DEBT_SECONDS_MAX: Final = BURST_SECONDS + 0.5
"""Whatever was asked before: nobody waits for longer than (1.0 - 0.5) / 0.25 = 2 s because of it."""
_ASKER_SECONDS: Final = 0.0005
"""What it takes to receive a call and to answer it."""


@dataclass(slots=True)
class _Question:
    task: asyncio.Task[Any]
    askers: int = 0


def question_key(request: Message) -> tuple[str, bytes]:
    """Equal for requests that ask the same."""
    return request.DESCRIPTOR.full_name, request.SerializeToString(deterministic=True)


class Questions:
    """Shared by all servicers."""

    def __init__(self, is_sending: Callable[[], bool], now: Callable[[], float] | None = None) -> None:
        """``is_sending``: whether there is somebody to be spared; ``now``: seconds, else the event loop's."""
        self._is_sending, self._now = is_sending, now
        self._asked: dict[Hashable, _Question] = {}
        self._turns: dict[str, deque[asyncio.Future[None]]] = {}
        """Who waits, by caller; the callers in the order of their turns."""
        self._running = 0
        self._debt_seconds, self._debt_at = 0.0, 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, key: Hashable, caller: str, make: Callable[[], Awaitable[V]]) -> V:
        """The answer that ``make`` gives; those who ask the same while it is made share it. When all of them have
        been cancelled, so is the making.

        Args:
            key: equal for equal questions.
            caller: who asks; callers with more questions than others get no more turns.
            make: asks the store.

        Raises:
            TooLong: it had no turn within ``LONG_SECONDS``, or took longer than that.
        """
        question = self._asked.get(key)
        if question is None:
            task = asyncio.create_task(self._answer(key, caller, make))
            task.add_done_callback(lambda done: self._forget(key, done))
            question = self._asked[key] = _Question(task)
        question.askers += 1
        try:
            answer: V = await asyncio.shield(question.task)
            return answer
        finally:
            question.askers -= 1
            if not question.askers and not question.task.done():
                self._forget(key, question.task)  # who asks now begins anew
                question.task.cancel()

    async def _answer(self, key: Hashable, caller: str, make: Callable[[], Awaitable[V]]) -> V:
        try:
            async with asyncio.timeout(LONG_SECONDS):
                await self._turn(caller)
        except TimeoutError:
            raise TooLong(ErrorCode.TOO_MANY_QUESTIONS.format()) from None
        began = self._time()
        try:
            return await make()
        finally:
            question = self._asked.get(key)
            askers = 1 if question is None else question.askers
            self._owe(self._time() - began + _ASKER_SECONDS * askers)
            self._running -= 1
            self._give_turns()

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        question = self._asked.get(key)
        if question is not None and question.task is task:
            del self._asked[key]
        if task.done() and not task.cancelled():
            task.exception()  # whoever waits gets it; when all have gone, asking for it keeps asyncio from warning

    async def _turn(self, caller: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._turns.setdefault(caller, deque()).append(turn)
        self._give_turns()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
                self._give_turns()
            raise

    def _give_turns(self) -> None:
        while self._running < LONG_AT_ONCE and self._turns:
            wait_seconds = (self._owed() - BURST_SECONDS) / SHARE if self._is_sending() else 0.0
            if wait_seconds > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._waited)
                return
            caller, waiting = next(iter(self._turns.items()))
            turn = waiting.popleft()
            del self._turns[caller]
            if waiting:
                self._turns[caller] = waiting  # behind the others
            if not turn.done():
                self._running += 1
                turn.set_result(None)

    def _waited(self) -> None:
        self._timer = None
        self._give_turns()

    def _time(self) -> float:
        return self._now() if self._now is not None else asyncio.get_running_loop().time()

    def _owed(self) -> float:
        """What was taken and is not paid back yet, in seconds of a processor."""
        now = self._time()
        self._debt_seconds = max(0.0, self._debt_seconds - SHARE * (now - self._debt_at))
        self._debt_at = now
        return self._debt_seconds

    def _owe(self, seconds: float) -> None:
        self._debt_seconds = min(_DEBT_SECONDS_MAX, self._owed() + seconds)
