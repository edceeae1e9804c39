"""How much will not be sent in time, looked at now and then: for the metrics, which nobody asks a database for."""

from __future__ import annotations

import asyncio
from typing import Final

from common.logs import get_logger
from engine.api.outlook import Outlook
from engine.ports import StoreUnavailable

log = get_logger(__name__)

PERIOD_SECONDS: Final = 15.0
"""As often as Prometheus usually asks."""


class RiskWatch:
    """Keeps two numbers fresh. With several engines each reckons for all mailings, so all tell the same."""

    def __init__(self, outlook: Outlook, period_seconds: float = PERIOD_SECONDS) -> None:
        self._outlook, self._period_seconds = outlook, period_seconds
        self._task: asyncio.Task[None] | None = None
        self.mailings = 0
        """How many mailings will end before all of their messages are sent, if nothing changes."""
        self.messages = 0
        """How many messages these mailings will leave unsent."""

    def start(self) -> None:
        """Look in the background, at once and then once a period."""
        self._task = asyncio.create_task(self._run(), name="risk watch")

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def look(self) -> None:
        """Reckon both numbers anew."""
        missed = [forecast.missed for forecast in await self._outlook.all() if forecast.missed]
        self.mailings, self.messages = len(missed), sum(missed)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.debug("risk.store_unavailable", error=str(error))  # the store has warned of it
            except Exception:
                log.exception("risk.failed")
            await asyncio.sleep(self._period_seconds)
