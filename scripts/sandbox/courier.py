"""Hands receipts in, in lists, and again while the service is away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import orjson

from scripts.sandbox.receipts import MOMENT_US, Receipt, Receipts
from scripts.sandbox.service import NoService, Target

PATH: Final = "/api/v1/receipts"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_PAUSE_SECONDS: Final = 0.1
_PAUSE_SECONDS_MAX: Final = 5.0
_LATER: Final = frozenset({401, 403, 408, 425, 429})
"""Answers that may be others soon, as all from 500 up: the token is made when the service has begun."""


class Courier:
    """One call at a time: what becomes due meanwhile goes with the next."""

    def __init__(self, receipts: Receipts) -> None:
        self.target: Target | None = None
        """Where they go."""
        self._receipts = receipts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the loop that runs."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what waits goes on waiting."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def restart(self) -> None:
        """Forget what is in its hands."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self.start()

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            while True:
                await self._receipts.some.wait()
                if batch := self._receipts.take(time.time_ns() // 1000):
                    await self._hand_in(http, batch)
                else:
                    await asyncio.sleep(MOMENT_US / 1e6)

    async def _hand_in(self, http: aiohttp.ClientSession, batch: Sequence[Receipt]) -> None:
        body = orjson.dumps([receipt.as_json() for receipt in batch])
        pause_seconds = _PAUSE_SECONDS
        while True:
            status, answer, problem = await _post(http, self.target, body)
            if not problem:
                self._receipts.note_taken(batch, answer)
                return
            if 400 <= status < 500 and status not in _LATER:
                self._receipts.note_refused(batch, problem)
                return
            self._receipts.problem = f"{problem}; trying again"
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)


async def _post(http: aiohttp.ClientSession, target: Target | None, body: bytes) -> tuple[int, Mapping[str, int], str]:
    """Status (0: none), what the service counted, and what is wrong with its answer."""
    if target is None:
        return 0, {}, "nobody takes receipts"
    try:
        headers = {"Content-Type": "application/json", **target.headers()}
        async with http.post(target.url, data=body, headers=headers, ssl=target.checks_certificate) as response:
            status, data = response.status, await response.read()
    except NoService as error:
        return 0, {}, str(error)
    except (aiohttp.ClientError, TimeoutError) as error:
        return 0, {}, f"the service does not answer: {str(error) or type(error).__name__}"
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        return status, {}, f"the service answered {status} with something else"
    if status != 200:
        return status, {}, f"the service answered {status}: {answer.get('detail', '')}"
    return status, {name: count for name, count in answer.items() if type(count) is int}, ""
