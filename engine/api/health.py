"""grpc.health.v1 for load balancers and operators.

``""``: the API works. ``provider``: the provider takes our calls (breaker closed, and it is who answers).
``delivery``: every actor of delivery runs.
"""

from __future__ import annotations

import asyncio
from typing import Final

from grpc_health.v1 import health, health_pb2

from common.logs import get_logger
from engine.api.control import DeliveryControl

log = get_logger(__name__)

PROVIDER: Final = "provider"
DELIVERY: Final = "delivery"
_PERIOD_SECONDS: Final = 0.25


class HealthFollower:
    """Keeps the health service in step with delivery: looking costs microseconds, so it looks often."""

    def __init__(self, control: DeliveryControl, period_seconds: float = _PERIOD_SECONDS) -> None:
        self.servicer = health.aio.HealthServicer()
        self._control = control
        self._period_seconds = period_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell how things are, then follow in the background."""
        await self._look()
        self._task = asyncio.create_task(self._follow(), name="health")

    async def stop(self) -> None:
        """Everything is NOT_SERVING from here on: load balancers turn to others."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.servicer.enter_graceful_shutdown()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._period_seconds)
            try:
                await self._look()
            except Exception:
                # Who can't be asked is not well; and this task must not die of it unseen.
                log.exception("health.failed")
                await self._set(DELIVERY, False)

    async def _look(self) -> None:
        status = self._control.status()
        await self._set(PROVIDER, status.breaker.is_well)
        await self._set(DELIVERY, all(actor.healthy for actor in status.actors))

    async def _set(self, service: str, serving: bool) -> None:
        serving_status = health_pb2.HealthCheckResponse
        await self.servicer.set(service, serving_status.SERVING if serving else serving_status.NOT_SERVING)
