"""Answers that cost much and may be a little old: kept for a while, and made once for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from engine.ports import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_SECOND_US: Final = 1_000_000
_KEYS_MAX: Final = 100


@dataclass(slots=True)
class _Answer(Generic[V]):
    task: asyncio.Task[V]
    until_us: int | None = None
    """``None``: it is being made."""
    before: _Answer[V] | None = None
    """What was there before, for those who ask while this one is being made."""
    waiting: int = 0
    was_given_before: bool = False
    """Somebody has got what was there before, and counts on this one for the next time."""


class Fresh(Generic[K, V]):
    """An answer by key. One that takes long to make is kept for longer, so that the making never takes more than a
    tenth of the time; a failure is told to all who wait for it, and not kept."""

    def __init__(
        self, clock: Clock, keep_seconds: float, *, stale_seconds: float = 0.0, keys_max: int = _KEYS_MAX
    ) -> None:
        """``stale_seconds``: for so long after its time an answer is given while the next one is made; ``keys_max``:
        more answers than that are not kept, and the oldest go."""
        self._clock, self._keys_max = clock, keys_max
        self._keep_us, self._stale_us = round(keep_seconds * _SECOND_US), round(stale_seconds * _SECOND_US)
        self._answers: dict[K, _Answer[V]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The answer that is there, or that ``make`` gives. When all who wait are cancelled, so is the making."""
        answer, now_us = self._answers.get(key), self._clock.now_us()
        if answer is None or (answer.until_us is not None and now_us >= answer.until_us):
            answer = self._begin(key, make, answer)
        before = answer.before
        if before is not None and before.until_us is not None and now_us < before.until_us + self._stale_us:
            answer.was_given_before = True
            return before.task.result()
        return await self._wait(key, answer)

    async def refresh(self, key: K, make: Callable[[], Awaitable[V]]) -> None:
        """Make the answer anew before its time; who asks meanwhile gets what is there. One that is being made already
        is waited for."""
        answer = self._answers.get(key)
        if answer is None or answer.until_us is not None:
            answer = self._begin(key, make, answer)
        await self._wait(key, answer)

    async def _wait(self, key: K, answer: _Answer[V]) -> V:
        answer.waiting += 1
        try:
            return await asyncio.shield(answer.task)
        finally:
            answer.waiting -= 1
            if not (answer.waiting or answer.was_given_before or answer.task.done()):
                self._answers.pop(key, None)
                answer.task.cancel()

    def renew(self, key: K) -> bool:
        """Keep the answer that is there as if it had just been made; ``False``: there is none."""
        answer = self._answers.get(key)
        if answer is None or answer.until_us is None or answer.task.cancelled() or answer.task.exception() is not None:
            return False
        answer.until_us = max(answer.until_us, self._clock.now_us() + self._keep_us)
        return True

    def _begin(self, key: K, make: Callable[[], Awaitable[V]], before: _Answer[V] | None) -> _Answer[V]:
        self._answers.pop(key, None)
        while len(self._answers) >= self._keys_max:
            del self._answers[next(iter(self._answers))]
        if before is not None and (before.task.cancelled() or before.task.exception() is not None):
            before = None
        answer = self._answers[key] = _Answer(asyncio.create_task(self._made(key, make)), before=before)
        answer.task.add_done_callback(_seen)
        return answer

    async def _made(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        begin_us = self._clock.now_us()
        try:
            value = await make()
        except BaseException:
            self._end(key, begin_us)
            raise
        now_us = self._clock.now_us()
        self._end(key, now_us + max(self._keep_us, 10 * (now_us - begin_us)))
        return value

    def _end(self, key: K, until_us: int) -> None:
        answer = self._answers.get(key)
        if answer is not None and answer.task is asyncio.current_task():  # else it was put out for a newer one
            answer.until_us, answer.before = until_us, None


def _seen(task: asyncio.Task[V]) -> None:
    # Whoever waits gets the error; when all have gone, asking for it keeps asyncio from warning.
    if not task.cancelled():
        task.exception()
