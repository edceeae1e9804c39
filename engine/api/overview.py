"""GetOverview: all that a dashboard shows, for many who ask every two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from engine.api.by_name import timestamp
from engine.api.control import ActorStatus, DeliveryControl, DeliveryStatus, ProviderCalls, ProviderStatus
from engine.api.convert import AUDIENCE_MODES, AUDIENCE_STATES, STATES, counts_message
from engine.api.convert_stats import (
    STEP_US,
    began_us,
    completion_us,
    engine_status_message,
    latency_message,
    point_message,
    progress,
    reasons_message,
    timeline_rate,
)
from engine.api.fresh import Fresh
from engine.api.outlook import Outlook
from engine.api.questions import EVERYBODY, Questions
from engine.domain.breaker import BreakerState
from engine.domain.forecast import Forecast
from engine.domain.time_text import format_rfc3339
from engine.ports import Clock, EngineRow
from engine.store.rows import MailingRow, OverviewRow, TimelineRow
from engine.store.store import Store
from mailing.v1 import engine_pb2, overview_pb2

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
_HOUR_US: Final = 60 * _MINUTE_US
_MINUTES: Final = 60
_HOURS: Final = 24
KEEP_SECONDS: Final = 1.0
DAY_SECONDS: Final = 10.0
"""How long the timeline of the day is kept: it is the dearest part, and the slowest to change."""
TEXT_MAX: Final = 80
_RECENT_US: Final = 3 * STEP_US
_SILENT_US: Final = 15 * _SECOND_US
"""An engine that has given no sign of life for so long is lost: it gives one every second."""
_ENDS_SOON_US: Final = _HOUR_US


class OverviewReader:
    """Shared by all who ask."""

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, outlook: Outlook, questions: Questions
    ) -> None:
        self._store, self._control, self._clock = store, control, clock
        self._outlook, self._questions = outlook, questions
        self._answer: Fresh[None, overview_pb2.Overview] = Fresh(clock, KEEP_SECONDS)
        self._day: Fresh[None, tuple[TimelineRow, ...]] = Fresh(clock, DAY_SECONDS)

    async def read(self) -> overview_pb2.Overview:
        """The overview as it is now, or was a second ago."""
        return await self._answer.get(None, lambda: self._questions.ask("overview", EVERYBODY, self._read))

    async def _read(self) -> overview_pb2.Overview:
        now_us = self._clock.now_us()
        hour_us, day_us = _begin(now_us, _MINUTE_US, _MINUTES), _begin(now_us, _HOUR_US, _HOURS)
        found = await self._store.overview(now_us, recent_us=now_us - _RECENT_US)
        last_hour = await self._store.timeline(hour_us, _MINUTE_US)
        last_day = await self._day.get(None, lambda: self._store.timeline(day_us, _HOUR_US))
        lost = await self._lost(now_us)
        status, calls = self._control.status(), self._control.provider_calls()
        engine = engine_status_message(status)
        briefs = [_brief(row, found, await self._forecast(row), now_us) for row in found.mailings]
        return overview_pb2.Overview(
            time=timestamp(now_us),
            mailings=briefs,
            mailings_total=found.open,
            message_counts=counts_message(found.counts),
            reasons=reasons_message(found.counts),
            last_hour=map(point_message, _whole(last_hour, hour_us, _MINUTE_US, _MINUTES)),
            last_day=map(point_message, _whole(last_day, day_us, _HOUR_US, _HOURS)),
            provider=_provider(calls, engine),
            engine=engine,
            warnings=[*_engine_warnings(status, lost), *_mailing_warnings(briefs, found.mailings, now_us)],
            rate_per_second=sum(_rates(found, now_us)),
        )

    async def _forecast(self, row: MailingRow) -> Forecast | None:
        """``None``: nothing more will come of it, or it is paused, and nobody knows for how long."""
        return None if row.paused else await self._outlook.of(row)

    async def _lost(self, now_us: int) -> Sequence[EngineRow]:
        """On a SQLite file there is one engine: the row of another is that of one it has taken over from."""
        if not self._store.shared:
            return ()
        return await self._store.silent_engines(now_us - _HOUR_US, now_us - _SILENT_US)


def _begin(now_us: int, step_us: int, steps: int) -> int:
    """When the first of the last ``steps`` steps begins; the current one is the last of them."""
    return now_us - now_us % step_us - (steps - 1) * step_us


def _whole(found: Iterable[TimelineRow], begin_us: int, step_us: int, steps: int) -> Iterator[TimelineRow]:
    """All steps, those in which nothing happened too."""
    by_time = {step.time_us: step for step in found}
    for time_us in range(begin_us, begin_us + steps * step_us, step_us):
        yield by_time.get(time_us) or TimelineRow(time_us, 0, 0, 0)


def _rates(found: OverviewRow, now_us: int) -> Iterator[float]:
    began = {row.id: began_us(row) for row in found.mailings}
    for mailing_id, steps in found.recent.items():
        yield timeline_rate(steps, now_us, began.get(mailing_id, 0))


def _brief(row: MailingRow, found: OverviewRow, forecast: Forecast | None, now_us: int) -> overview_pb2.MailingBrief:
    rate = timeline_rate(found.recent.get(row.id, ()), now_us, began_us(row))
    state = row.state(now_us)
    return overview_pb2.MailingBrief(
        mailing_id=row.id,
        name=row.name,
        text=row.text[:TEXT_MAX],
        state=STATES[state],
        audience=AUDIENCE_MODES[row.audience_fixed],
        audience_state=AUDIENCE_STATES[row.audience_state],
        start_time=timestamp(row.start_us),
        end_time=timestamp(row.end_us),
        message_counts=counts_message(row.counts),
        reasons=reasons_message(row.counts),
        progress=progress(row.counts, row.audience_state),
        rate_per_second=rate,
        estimated_completion_time=timestamp(completion_us(row, forecast, rate)),
        missed=_missed(row, forecast),
        next_open_time=None if forecast is None else timestamp(forecast.next_open_us),
        next_open_count=0 if forecast is None else forecast.next_open,
    )


def _missed(row: MailingRow, forecast: Forecast | None) -> int | None:
    """How many messages its end will find unsent; ``None``: nobody knows."""
    if forecast is None:
        return None
    known = forecast.rate_per_second > 0 or not row.counts.pending
    return forecast.missed if known or forecast.missed else None


def _provider(calls: ProviderCalls, engine: engine_pb2.EngineStatus) -> overview_pb2.ProviderHealth:
    return overview_pb2.ProviderHealth(
        breaker=engine.breaker,
        window_seconds=calls.window_seconds,
        calls=calls.calls,
        errors=calls.errors,
        error_share=calls.errors / calls.calls if calls.calls else None,
        latency_seconds=latency_message(calls.latency),
    )


def _engine_warnings(status: DeliveryStatus, lost: Iterable[EngineRow]) -> Iterator[overview_pb2.Warning]:
    senders = [provider for provider in status.providers if not provider.retired]
    for provider in senders or (ProviderStatus("", breaker=status.breaker),):
        yield from _provider_warnings(provider, is_alone=len(status.providers) <= 1)
    for name, messages in status.missing.items():
        detail = f"it is in the providers' file no more, and {messages} messages wait for its answer"
        yield _warning(overview_pb2.WARNING_CODE_PROVIDER_MISSING, detail, name=name)
    if status.sending_paused:
        yield _warning(overview_pb2.WARNING_CODE_SENDING_PAUSED, "sending is held for all mailings")
    for engine in lost:
        detail = f"no sign of life since {format_rfc3339(engine.heartbeat_us)}"
        yield _warning(overview_pb2.WARNING_CODE_ENGINE_LOST, detail, name=engine.name)
    for actor in status.actors:
        if not actor.healthy:
            yield _unhealthy(actor)


def _provider_warnings(provider: ProviderStatus, *, is_alone: bool) -> Iterator[overview_pb2.Warning]:
    breaker, name = provider.breaker, "" if is_alone else provider.name
    if breaker.state is BreakerState.BLOCKED:
        yield _warning(overview_pb2.WARNING_CODE_PROVIDER_TOKEN_REFUSED, breaker.detail, name=name)
    if breaker.state is BreakerState.OPEN or breaker.is_misaddressed:
        yield _warning(overview_pb2.WARNING_CODE_PROVIDER_UNREACHABLE, breaker.detail, name=name)


def _unhealthy(actor: ActorStatus) -> overview_pb2.Warning:
    detail = actor.detail or "is starting again"
    return _warning(overview_pb2.WARNING_CODE_ACTOR_UNHEALTHY, detail, name=actor.name)


def _mailing_warnings(
    briefs: Sequence[overview_pb2.MailingBrief], rows: Sequence[MailingRow], now_us: int
) -> Iterator[overview_pb2.Warning]:
    for brief, row in zip(briefs, rows, strict=True):
        if brief.missed:
            detail = f"{brief.missed} messages will not be sent before its end"
            yield _warning(
                overview_pb2.WARNING_CODE_MAILING_WILL_MISS_END, detail, mailing_id=row.id, missed=brief.missed
            )
        if row.paused and row.counts.pending and row.end_us - now_us <= _ENDS_SOON_US:
            detail = f"{row.counts.pending} messages are pending, and it is paused"
            yield _warning(overview_pb2.WARNING_CODE_PAUSED_MAILING_ENDS_SOON, detail, mailing_id=row.id)


def _warning(
    code: overview_pb2.WarningCode.ValueType,
    detail: str,
    *,
    mailing_id: int | None = None,
    missed: int = 0,
    name: str = "",
) -> overview_pb2.Warning:
    return overview_pb2.Warning(code=code, detail=detail, mailing_id=mailing_id, missed=missed, name=name)
