"""The calls to the provider, counted when their outcomes are stored: for Prometheus and for the dashboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.metrics import Metrics
from engine.ports import Record
from engine.provider_window import ProviderWindow


class CallMeter:
    """``ports.Meter``. What became of the messages is counted elsewhere, for the store tells it (``on_step``)."""

    def __init__(self, metrics: Metrics, window: ProviderWindow) -> None:
        self._metrics, self._window = metrics, window

    def recorded(self, records: Sequence[Record]) -> None:
        """Count answers and durations by the batch: counting each call by itself costs as much as sending it."""
        metrics = self._metrics
        for status, number in Counter([record.http_status for record in records]).items():
            metrics.provider_responses(status).inc(number)
        metrics.attempt_seconds.observe_all([(record.finished_us - record.started_us) * 1e-6 for record in records])
        self._window.add(records)
