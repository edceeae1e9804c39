"""Numbers for people: statistics, progress, forecast, the engine's status. Pure, like ``convert``."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from engine.api.by_name import timestamp
from engine.api.control import HELD_WORDS, BreakerStatus, DeliveryStatus, ProviderStatus
from engine.api.convert import AUDIENCE_STATES, STATES, counts_message
from engine.domain.breaker import BreakerState
from engine.domain.cost import money
from engine.domain.forecast import Forecast
from engine.domain.latency import WAY_BOUNDS_SECONDS, quantile
from engine.ports import AudienceState
from engine.store.rows import Breakdown, Counts, GroupCounts, MailingRow, ProviderCounts, StatsRow, TimelineRow
from mailing.v1 import engine_pb2, mailing_pb2, mailing_stats_pb2

_SECOND_US: Final = 1_000_000
STEP_US: Final = 10 * _SECOND_US
"""Length of a step of the timeline."""
_COUNTED: Final = ("sent", "not_sent", "deferred", "delivered")
"""What a step of the timeline counts, in the order of ``TimelineRow``."""
_STEPS_SECONDS: Final = (30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
"""Into what steps a long timeline is drawn together."""
_RATE_STEPS: Final = 3
"""The rate in the statistics is that of so many steps: half a minute."""
PROGRESS_WINDOW_US: Final = 5 * _SECOND_US
"""The rate in WatchMailing is that of so long."""

_BREAKER_STATES: Final = {
    BreakerState.CLOSED: engine_pb2.BREAKER_STATE_CLOSED,
    BreakerState.OPEN: engine_pb2.BREAKER_STATE_OPEN,
    BreakerState.BLOCKED: engine_pb2.BREAKER_STATE_BLOCKED,
}


def forecast_message(forecast: Forecast | None) -> mailing_stats_pb2.Forecast | None:
    """What will come of a mailing; ``None``: nothing more will."""
    if forecast is None:
        return None
    return mailing_stats_pb2.Forecast(
        completion_time=timestamp(forecast.completion_us),
        missed=forecast.missed,
        rate_per_second=forecast.rate_per_second,
        next_open_time=timestamp(forecast.next_open_us),
        next_open_count=forecast.next_open,
    )


def progress(counts: Counts, audience_state: AudienceState) -> float:
    """Share of the messages that are final. A mailing for nobody is through once that is known."""
    if counts.total == 0:
        return 1.0 if audience_state is AudienceState.READY else 0.0
    return (counts.sent + counts.not_sent) / counts.total


def timeline_rate(timeline: Sequence[TimelineRow], now_us: int, began_us: int = 0) -> float:
    """Messages that became final, a second, over the last steps; the current one counts as far as it goes, and the
    first one from ``began_us``, before which nothing can have been sent."""
    since_us = now_us - now_us % STEP_US - (_RATE_STEPS - 1) * STEP_US
    recent = [step for step in timeline if step.time_us >= since_us and (step.sent or step.not_sent or step.deferred)]
    if not recent:
        return 0.0
    # A mailing that has just begun has no empty steps before it to be averaged in.
    seconds = max(_SECOND_US, now_us - max(recent[0].time_us, began_us)) / _SECOND_US
    return sum(step.sent + step.not_sent for step in recent) / seconds


def began_us(row: MailingRow) -> int:
    """When the first of a mailing's messages could go out."""
    return max(row.start_us, row.create_us)


def completion_us(row: MailingRow, forecast: Forecast | None, rate_per_second: float) -> int | None:
    """When the last message will be final; ``None``: unknown, or nothing is pending. Of a mailing of which nothing goes
    out now (``rate_per_second``), though it is neither for the start nor for the hours, nobody knows."""
    if forecast is None or row.counts.pending == 0 or row.paused or forecast.rate_per_second <= 0:
        return None
    if rate_per_second <= 0 and forecast.next_open_us is None:
        return None
    # At its end whatever is left becomes final at once.
    return row.end_us if forecast.completion_us is None else forecast.completion_us


def _groups(groups: Mapping[str, GroupCounts]) -> dict[str, mailing_pb2.MessageCounts]:
    return {
        key: mailing_pb2.MessageCounts(
            pending=each.pending,
            sent=each.sent,
            not_sent=each.not_sent,
            total=each.pending + each.sent + each.not_sent,
        )
        for key, each in groups.items()
    }


def _provider_counts(counts: ProviderCounts) -> mailing_stats_pb2.ProviderCounts:
    return mailing_stats_pb2.ProviderCounts(
        pending=counts.pending,
        sent=counts.sent,
        delivered=counts.delivered,
        undelivered=counts.undelivered,
        not_sent=counts.not_sent,
        cost=money(counts.cost),
    )


def thinned(timeline: Sequence[TimelineRow], points_max: int) -> Sequence[TimelineRow]:
    """The timeline in the shortest steps of ``_STEPS_SECONDS`` in which it has ``points_max`` points or fewer; 0: as
    it is. One that is too long for the longest step has that one."""
    steps = timeline
    for seconds in _STEPS_SECONDS:
        if points_max == 0 or len(steps) <= points_max:
            break
        steps = _merged(timeline, seconds * _SECOND_US)
    return steps


def _merged(timeline: Sequence[TimelineRow], step_us: int) -> list[TimelineRow]:
    found = []
    for step, group in groupby(timeline, lambda each: each.time_us // step_us):
        rows = list(group)
        counts = (sum(getattr(each, name) for each in rows) for name in _COUNTED)
        found.append(TimelineRow(step * step_us, *counts))
    return found


def reasons_message(counts: Counts) -> mailing_stats_pb2.ReasonCounts:
    """Messages that are not sent, by why."""
    return mailing_stats_pb2.ReasonCounts(**counts.by_reason())


def stats_message(
    row: StatsRow, breakdown: Breakdown, now_us: int, forecast: Forecast | None, points_max: int = 0
) -> mailing_stats_pb2.MailingStats:
    """The statistics of a mailing, with what will come of it."""
    mailing, counts = row.mailing, row.mailing.counts
    rate = timeline_rate(row.timeline, now_us, began_us(mailing))
    return mailing_stats_pb2.MailingStats(
        mailing_id=mailing.id,
        message_counts=counts_message(counts),
        reasons=reasons_message(counts),
        progress=progress(counts, mailing.audience_state),
        rate_per_second=rate,
        estimated_completion_time=timestamp(completion_us(mailing, forecast, rate)),
        forecast=forecast_message(forecast),
        attempts=mailing_stats_pb2.AttemptStats(
            total=row.attempts,
            retried=row.retried,
            by_http_status=row.by_http_status,
            by_smpp_status=row.by_smpp_status,
        ),
        latency_seconds=latency_message(row.latency),
        by_phone_code=_groups(breakdown.by_phone_code),
        by_tag=_groups(breakdown.by_tag),
        by_time_zone=_groups(breakdown.by_time_zone),
        by_provider={name: _provider_counts(each) for name, each in breakdown.by_provider.items()},
        timeline=[point_message(step) for step in thinned(row.timeline, points_max)],
        text_versions=[
            mailing_stats_pb2.TextVersion(
                version=each.version, create_time=timestamp(each.create_us), text=each.text, sent=each.sent
            )
            for each in row.texts
        ],
        delivery=delivery_message(counts, row.way),
        cost=money(mailing.cost),
        breakdown_time=timestamp(row.breakdown_us),
    )


def delivery_message(counts: Counts, way: Mapping[int, int] | None = None) -> mailing_stats_pb2.DeliveryStats:
    """What receipts say of the messages that are sent; ``way``: how long they were on their way, if it is wanted."""
    quantiles = None
    if way is not None:
        p50, p95 = (quantile(way, q, WAY_BOUNDS_SECONDS) for q in (0.5, 0.95))
        quantiles = mailing_stats_pb2.DeliveryQuantiles(p50=p50, p95=p95)
    return mailing_stats_pb2.DeliveryStats(
        delivered=counts.delivered, undelivered=counts.undelivered, none=counts.no_receipt, seconds=quantiles
    )


class ProgressMeter:
    """Follows one mailing over several readings, and tells its speed from them."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque()
        """(when, how many were final), the oldest first, back to the window's begin."""

    def read(self, row: MailingRow, forecast: Forecast | None, now_us: int) -> mailing_stats_pb2.MailingProgress:
        """The progress at ``now_us``, with what will come of it."""
        counts = row.counts
        rate = self._rate(counts.sent + counts.not_sent, now_us)
        return mailing_stats_pb2.MailingProgress(
            mailing_id=row.id,
            time=timestamp(now_us),
            state=STATES[row.state(now_us)],
            audience_state=AUDIENCE_STATES[row.audience_state],
            message_counts=counts_message(counts),
            progress=progress(counts, row.audience_state),
            rate_per_second=rate,
            estimated_completion_time=timestamp(completion_us(row, forecast, rate)),
            forecast=forecast_message(forecast),
            delivery=delivery_message(counts),
        )

    def _rate(self, final: int, now_us: int) -> float:
        self._readings.append((now_us, final))
        while len(self._readings) > 2 and self._readings[1][0] <= now_us - PROGRESS_WINDOW_US:
            self._readings.popleft()
        first_us, first = self._readings[0]
        # Edits and deleted clients make counts smaller: that is no speed.
        return max(0.0, (final - first) * _SECOND_US / (now_us - first_us)) if now_us > first_us else 0.0


def is_over(row: MailingRow) -> bool:
    """True when every message is final and no more are being made (after a cancellation none are)."""
    return row.counts.pending == 0 and (row.cancelled_us is not None or row.audience_state is AudienceState.READY)


def latency_message(latency: Mapping[int, int]) -> mailing_stats_pb2.LatencyQuantiles:
    """Quantiles of a histogram of calls by bucket."""
    return mailing_stats_pb2.LatencyQuantiles(
        p50=quantile(latency, 0.5), p95=quantile(latency, 0.95), p99=quantile(latency, 0.99)
    )


def point_message(step: TimelineRow) -> mailing_stats_pb2.TimelinePoint:
    """A step of a timeline."""
    counts = {name: getattr(step, name) for name in _COUNTED}
    return mailing_stats_pb2.TimelinePoint(time=timestamp(step.time_us), **counts)


def _breaker_message(breaker: BreakerStatus) -> engine_pb2.BreakerStatus:
    return engine_pb2.BreakerStatus(
        state=_BREAKER_STATES[breaker.state],
        next_probe_time=timestamp(breaker.next_probe_us),
        consecutive_failures=breaker.consecutive_failures,
        detail=breaker.detail,
    )


def _provider_message(provider: ProviderStatus) -> engine_pb2.ProviderStatus:
    calls = provider.calls
    return engine_pb2.ProviderStatus(
        name=provider.name,
        kind=provider.kind,
        breaker=_breaker_message(provider.breaker),
        rate_limit=provider.rate_limit or None,
        rate_unit=provider.rate_unit,
        workers=provider.workers,
        queue_depth=provider.queue_depth,
        in_flight=provider.in_flight,
        rate_per_second=provider.rate_per_second,
        prefixes=provider.prefixes,
        senders=provider.senders,
        price_per_segment=provider.price_per_segment,
        window_seconds=calls.window_seconds,
        calls=calls.calls,
        errors=calls.errors,
        error_share=calls.errors / calls.calls if calls.calls else None,
        latency_seconds=latency_message(calls.latency),
        retired=provider.retired,
        cost=None if provider.price_per_segment is None else money(calls.cost),
    )


def engine_status_message(status: DeliveryStatus) -> engine_pb2.EngineStatus:
    """How the engine is doing, as the API shows it."""
    paused = status.sending_paused
    return engine_pb2.EngineStatus(
        engine_id=status.engine_id,
        workers=status.workers,
        queue_size=status.queue_size,
        queue_depth=status.queue_depth,
        in_flight=status.in_flight,
        rate_limit=status.rate_limit or None,
        rate_per_second=status.rate_per_second,
        sending=engine_pb2.SENDING_STATE_PAUSED if paused else engine_pb2.SENDING_STATE_RUNNING,
        sending_detail="" if status.held_us is None else HELD_WORDS,
        held_since_time=None if status.held_us is None else timestamp(status.held_us),
        breaker=_breaker_message(status.breaker),
        providers=map(_provider_message, status.providers),
        missing_providers=[
            engine_pb2.MissingProvider(name=name, messages=messages) for name, messages in status.missing.items()
        ],
        engines=[
            engine_pb2.EngineInstance(
                id=each.engine_id,
                name=each.name,
                start_time=timestamp(each.started_us),
                heartbeat_time=timestamp(each.heartbeat_us),
                workers=each.workers,
                in_flight=each.in_flight,
            )
            for each in status.engines
        ],
        actors=[
            engine_pb2.ActorHealth(name=each.name, healthy=each.healthy, restarts=each.restarts, detail=each.detail)
            for each in status.actors
        ],
    )
