"""EngineService: watch and steer the engine; the audit list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from common.error_codes import ErrorCode
from engine.api.background import Background
from engine.api.backups import Backups
from engine.api.caller import caller
from engine.api.context import Context
from engine.api.control import DeliveryControl
from engine.api.convert import both, chosen
from engine.api.convert_audit import audit_message, audit_query
from engine.api.convert_stats import engine_status_message
from engine.api.limits import Limits
from engine.api.outlook import Outlook
from engine.api.overview import OverviewReader
from engine.api.paging import page_of, token_after
from engine.api.questions import Questions
from engine.api.reports import Reports
from engine.domain.errors import FieldError, InvalidInput, ReadOnly
from engine.ports import Clock
from engine.store.store import Store
from mailing.v1 import engine_pb2, engine_service_pb2, engine_service_pb2_grpc, overview_pb2

_UPDATE: Final = Limits(engine_service_pb2.UpdateEngineRequest)
_WORKERS: Final = Limits(engine_service_pb2.SetWorkersRequest)
_RATE: Final = Limits(engine_service_pb2.SetRateRequest)
_PAUSED: Final = {False: engine_pb2.SENDING_STATE_RUNNING, True: engine_pb2.SENDING_STATE_PAUSED}


class EngineServicer(engine_service_pb2_grpc.EngineServiceServicer):
    """See ``proto/mailing/v1/engine_service.proto``."""

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        background: Background,
        outlook: Outlook,
        questions: Questions,
        reports: Reports,
        backups: Backups,
    ) -> None:
        self._store, self._control, self._clock, self._background = store, control, clock, background
        self._reports, self._backups = reports, backups
        self._overview = OverviewReader(store, control, clock, outlook, questions)

    async def GetStatus(
        self, request: engine_service_pb2.GetStatusRequest, context: Context
    ) -> engine_pb2.EngineStatus:
        """Read how the engine is doing."""
        return engine_status_message(self._control.status())

    async def GetOverview(
        self, request: engine_service_pb2.GetOverviewRequest, context: Context
    ) -> overview_pb2.Overview:
        """Read all that a dashboard shows."""
        return await self._overview.read()

    async def UpdateEngine(
        self, request: engine_service_pb2.UpdateEngineRequest, context: Context
    ) -> engine_pb2.EngineStatus:
        """Change what is set in the request: all of it, or nothing."""
        workers = request.workers if request.HasField("workers") else None
        rate = request.rate_limit if request.HasField("rate_limit") else None
        _UPDATE.check(request)
        sending_paused = chosen(_PAUSED, request.sending, "sending")
        if workers is None and rate is None and sending_paused is None:
            problem = ErrorCode.NOTHING_TO_CHANGE.format()
            raise InvalidInput([FieldError(name, problem) for name in ("workers", "rate_limit", "sending")])
        return await self._set(context, workers=workers, provider_rate=rate, sending_paused=sending_paused)

    async def SetWorkers(
        self, request: engine_service_pb2.SetWorkersRequest, context: Context
    ) -> engine_pb2.EngineStatus:
        """Change the number of workers."""
        _WORKERS.check(request)
        return await self._set(context, workers=request.workers)

    async def SetRate(self, request: engine_service_pb2.SetRateRequest, context: Context) -> engine_pb2.EngineStatus:
        """Change the budget of calls to the provider."""
        _RATE.check(request)
        return await self._set(context, provider_rate=request.rate_limit)

    async def PauseSending(
        self, request: engine_service_pb2.PauseSendingRequest, context: Context
    ) -> engine_pb2.EngineStatus:
        """Hold sending for all mailings."""
        return await self._set(context, sending_paused=True)

    async def ResumeSending(
        self, request: engine_service_pb2.ResumeSendingRequest, context: Context
    ) -> engine_pb2.EngineStatus:
        """Let sending go on."""
        return await self._set(context, sending_paused=False)

    async def BackUp(
        self, request: engine_service_pb2.BackUpRequest, context: Context
    ) -> AsyncIterator[engine_service_pb2.BackUpResponse]:
        """Stream a copy of the database."""
        async for part in self._backups.parts(caller(context)):
            yield engine_service_pb2.BackUpResponse(data=part)

    async def ListAuditEvents(
        self, request: engine_service_pb2.ListAuditEventsRequest, context: Context
    ) -> engine_service_pb2.ListAuditEventsResponse:
        """Read a page of the audit list."""
        query, page = both(lambda: audit_query(request), lambda: page_of(request))
        found = await self._store.list_audit(query, page)
        return engine_service_pb2.ListAuditEventsResponse(
            audit_events=[audit_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def GetReport(
        self, request: engine_service_pb2.GetReportRequest, context: Context
    ) -> engine_service_pb2.Report:
        """Read the report of a day."""
        return await self._reports.get(request)

    async def MailReport(
        self, request: engine_service_pb2.MailReportRequest, context: Context
    ) -> engine_service_pb2.MailReportResponse:
        """Mail the report of a day."""
        return await self._reports.mail(request)

    async def _set(
        self,
        context: Context,
        *,
        workers: int | None = None,
        provider_rate: float | None = None,
        sending_paused: bool | None = None,
    ) -> engine_pb2.EngineStatus:
        """Store what is not ``None``, and have delivery follow."""
        if not self._control.is_steered and not (workers is None and provider_rate is None):
            raise ReadOnly(ErrorCode.PROVIDERS_FILE.format())

        async def change() -> None:
            await self._store.set_control(
                workers=workers,
                provider_rate=provider_rate,
                sending_paused=sending_paused,
                by=caller(context),
                now_us=self._clock.now_us(),
            )
            await self._control.control_changed()

        await self._background.whole(change())
        return engine_status_message(self._control.status())
