"""grpc.health.v1 for load balancers and operators.

``""``, and each service of the contract by its full name: the API works. ``provider``: the provider takes our calls
(breaker closed, and it is who answers).
``delivery``: every actor of delivery runs, and work moves (``domain/liveness.py``).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from grpc_health.v1 import health, health_pb2

from common.contract.services import SERVICES
from common.error_codes import ErrorCode
from common.logs import get_logger
from engine.api.control import DeliveryControl
from engine.api.errors import Unreadable

log = get_logger(__name__)

PROVIDER: Final = "provider"
DELIVERY: Final = "delivery"
_API: Final = ("", *(service.full_name for service in SERVICES.values()))
_newer: Final[Any] = health_pb2
"""With what its type stubs lack."""
_PERIOD_SECONDS: Final = 0.25
_NAME_LENGTH_MAX: Final = 256


class HealthServicer(health.aio.HealthServicer):
    """The library's, with what it lacks. Anybody may call it."""

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        """Say how a service is."""
        _check_name(request.service)
        answer: health_pb2.HealthCheckResponse = await super().Check(request, context)
        return answer

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """Say how a service is, now and whenever it changes."""
        _check_name(request.service)
        await super().Watch(request, context)

    async def List(self, request: Any, context: Any) -> Any:
        """Say how all services are."""
        names = (*_API, PROVIDER, DELIVERY)
        check = super().Check
        statuses = {name: await check(health_pb2.HealthCheckRequest(service=name), context) for name in names}
        return _newer.HealthListResponse(statuses=statuses)


def _check_name(service: str) -> None:
    """Refuse a name that none of ours is near: a watcher's is kept while he watches."""
    if len(service) > _NAME_LENGTH_MAX:
        raise Unreadable(ErrorCode.SERVICE_NAME_TOO_LONG.format(max=_NAME_LENGTH_MAX))


class HealthFollower:
    """Keeps the health service in step with delivery: looking costs microseconds, so it looks often."""

    def __init__(self, control: DeliveryControl, period_seconds: float = _PERIOD_SECONDS) -> None:
        self.servicer = HealthServicer()
        self._control = control
        self._period_seconds = period_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell how things are, then follow in the background."""
        for name in _API:
            await self._set(name, True)
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
        await self._set(PROVIDER, status.can_send)
        await self._set(DELIVERY, all(actor.healthy for actor in status.actors))

    async def _set(self, service: str, serving: bool) -> None:
        serving_status = health_pb2.HealthCheckResponse
        await self.servicer.set(service, serving_status.SERVING if serving else serving_status.NOT_SERVING)
