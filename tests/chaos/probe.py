"""Somebody who uses the REST API meanwhile, through a gateway, and notes what was answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.service import Service
from gateway.settings import load
from scripts.token_channel import API_TOKEN

_PAUSE_SECONDS = 0.25
_CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call was answered."""

    at: float
    seconds: float
    status: int
    """0: nothing within the time."""
    has_retry_after: bool
    words: str

    @property
    def is_honest(self) -> bool:
        """It was done, or was refused with a hint when to come again."""
        return self.status == 200 or (self.status == 503 and self.has_retry_after)


@dataclass
class Probe:
    """Reads and writes in turn; what it writes changes no audience."""

    url: str
    client_id: int
    answers: list[Answer] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled."""
        timeout = ClientTimeout(total=_CALL_SECONDS)
        async with ClientSession(headers={"Authorization": f"Bearer {API_TOKEN}"}, timeout=timeout) as http:
            number = 0
            while True:
                number += 1
                await self._call(http, number)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _call(self, http: ClientSession, number: int) -> None:
        url, began = f"{self.url}/api/v1/clients/{self.client_id}", time.time()
        method, body = ("PATCH", {"tag": f"probe-{number}"}) if number % 2 else ("GET", None)
        try:
            async with http.request(method, url, json=body) as answer:
                text = await answer.text()
                status, has_retry_after = answer.status, "Retry-After" in answer.headers
                words = f"{method}: {status} {text[:200]}"
        except (ClientError, TimeoutError) as error:
            status, has_retry_after, words = 0, False, f"{method}: nothing ({error!r})"
        self.answers.append(Answer(began, time.time() - began, status, has_retry_after, words))


@asynccontextmanager
async def probing(engine_target: str, client_id: int) -> AsyncIterator[Probe]:
    """A gateway before this engine, and one who calls it."""
    flags = {"http_listen": "127.0.0.1:0", "engine_target": engine_target, "admin_secret": "a secret of the tests"}
    service = Service(load(flags, {}, None))
    try:
        await service.start()
        probe = Probe(f"http://{service.address}", client_id)
        task = asyncio.create_task(probe.run())
        try:
            yield probe
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    finally:
        await service.stop()
