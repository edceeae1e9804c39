"""How calls to the provider ended in the last minutes, for the dashboard: counted in memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from engine.api.control import ProviderCalls
from engine.domain.cost import FREE
from engine.domain.latency import count_by_bucket, mean
from engine.domain.message import Event
from engine.domain.units import US_PER_SECOND
from engine.ports import Record

WINDOW_SECONDS: Final = 300
_STEP_US: Final = 10 * US_PER_SECOND
_BILLED: Final = frozenset({Event.ACCEPT, Event.MISS})
"""After these the provider has the text, or may have it."""
_STEPS: Final = WINDOW_SECONDS * US_PER_SECOND // _STEP_US


class _Step:
    """What happened in ten seconds."""

    __slots__ = ("calls", "cost", "errors", "latency", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = self.errors = self.cost = 0
        self.latency: Counter[int] = Counter()


class ProviderWindow:
    """Remembers five minutes, in steps of ten seconds."""

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=_STEPS)

    def add(self, records: Sequence[Record]) -> None:
        """These calls have ended: a batch, for this is on the hot path."""
        if not records:
            return
        number = records[-1].finished_us // _STEP_US
        if not self._steps or self._steps[-1].number < number:
            self._steps.append(_Step(number))
        step = self._steps[-1]
        step.calls += len(records)
        events = [record.event for record in records]
        step.errors += events.count(Event.DEFER) + events.count(Event.MISS)
        if records[-1].charge is not FREE:
            step.cost += sum(record.cost or 0 for record in records if record.event in _BILLED)
        step.latency.update(count_by_bucket([(record.finished_us - record.started_us) * 1e-6 for record in records]))

    def mean_seconds(self) -> float | None:
        """How long calls took in the last minutes in which there were any, however long ago; ``None``: never."""
        latency: Counter[int] = Counter()
        for step in self._steps:
            latency += step.latency
        return mean(latency)

    def calls(self, now_us: int) -> ProviderCalls:
        """What happened until now, since five minutes ago or since the first call of them."""
        recent = [step for step in self._steps if step.number > now_us // _STEP_US - _STEPS]
        if not recent:
            return ProviderCalls()
        latency: Counter[int] = Counter()
        for step in recent:
            latency += step.latency
        return ProviderCalls(
            window_seconds=max(1.0, (now_us - recent[0].number * _STEP_US) * 1e-6),
            calls=sum(step.calls for step in recent),
            errors=sum(step.errors for step in recent),
            cost=sum(step.cost for step in recent),
            latency=latency,
        )
