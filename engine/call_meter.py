"""The calls to the providers, counted when their outcomes are stored: for Prometheus and for the dashboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.metrics import ProviderMetrics
from engine.ports import Record
from engine.provider_window import ProviderWindow


class Counted(NamedTuple):
    """Where the calls to one provider are counted."""

    metrics: ProviderMetrics
    window: ProviderWindow

    def add(self, records: Sequence[Record]) -> None:
        """Count answers and durations by the batch: counting each call by itself costs as much as sending it."""
        answers = Counter([(record.http_status, record.smpp_status) for record in records])
        for (http_status, smpp_status), number in answers.items():
            self.metrics.responses(http_status, smpp_status).inc(number)
        seconds = [(record.finished_us - record.started_us) * 1e-6 for record in records]
        self.metrics.attempt_seconds.observe_all(seconds)
        self.window.add(records)


class CallMeter:
    """``ports.Meter``. What became of the messages is counted elsewhere, for the store tells it (``on_step``)."""

    def __init__(self) -> None:
        self._by_provider: Mapping[int, Counted] = {}

    def follow(self, by_provider: Mapping[int, Counted]) -> None:
        """Count the calls to these providers from now on; they are known by the store's numbers."""
        self._by_provider = by_provider

    def recorded(self, records: Sequence[Record]) -> None:
        """Count a batch, that of each provider by itself."""
        for provider_id, counted in self._by_provider.items():
            one = len(self._by_provider) == 1
            counted.add(records if one else [record for record in records if record.provider_id == provider_id])
