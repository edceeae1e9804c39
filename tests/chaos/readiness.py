"""What ``/readyz`` says meanwhile."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.chaos.report import Event

_PAUSE_SECONDS = 0.1


async def note_unready(address: str, event: Event) -> None:
    """Ask until it says no (or nothing for a while), and note when; until cancelled."""
    async with ClientSession(timeout=ClientTimeout(total=2)) as http:
        while True:
            status = 0
            with suppress(ClientError, TimeoutError):
                async with http.get(f"http://{address}/readyz") as answer:
                    status = answer.status
            if status != 200:
                event.unready_seconds = time.time() - event.began
                return
            await asyncio.sleep(_PAUSE_SECONDS)
