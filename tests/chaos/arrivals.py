"""What a provider saw: every call with its time, and which engine made it.

Each engine has a provider of its own, so that a call is known by where it came in; all of them write into one list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scripts.sandbox.ledger import Ledger

Span = tuple[float, float]
"""Two times, in seconds since the epoch."""


class Call(NamedTuple):
    """One call that reached a provider."""

    at: float
    """Seconds since the epoch."""
    engine: int
    message_id: int
    phone: int
    text: str


@dataclass
class Arrivals:
    """Calls of all engines, in the order in which they came."""

    calls: list[Call] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    _times: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def ledger(self, engine: int) -> Ledger:
        """For the provider of one engine."""
        return _Ledger(engine, self)

    def put(self, call: Call) -> None:
        """Note one."""
        self.calls.append(call)
        self.ids.add(call.message_id)
        self._times[call.engine].append(call.at)

    def times(self, engine: int) -> Sequence[float]:
        """When this engine called, in order."""
        return self._times[engine]

    def first_after(self, engine: int, at: float) -> float | None:
        """When this engine called for the first time since then; ``None``: never."""
        times = self._times[engine]
        number = bisect_right(times, at)
        return times[number] if number < len(times) else None

    def repeats(self) -> list[tuple[Call, Call]]:
        """Each call for a message that had been called before, with the call before it."""
        latest: dict[int, Call] = {}
        found = []
        for call in self.calls:
            if call.message_id in latest:
                found.append((latest[call.message_id], call))
            latest[call.message_id] = call
        return found


class _Ledger(Ledger):
    """Counts, and tells all engines' arrivals."""

    def __init__(self, engine: int, arrivals: Arrivals) -> None:
        super().__init__(keep=10)
        self._engine, self._arrivals = engine, arrivals

    def note(self, message_id: int, phone: int, text: str, answer: str, accepted: bool, at_us: int) -> None:
        super().note(message_id, phone, text, answer, accepted, at_us)
        self._arrivals.put(Call(at_us / 1e6, self._engine, message_id, phone, text))


def longest_gap(times: Iterable[float], begin: float, end: float, excused: Iterable[Span]) -> Span:
    """The longest time between ``begin`` and ``end`` in which nothing came and nothing excused it."""
    longest = (begin, begin)
    for first, last in _between(sorted(at for at in times if begin < at < end), begin, end):
        for span in without((first, last), excused):
            longest = max(longest, span, key=lambda span: span[1] - span[0])
    return longest


def _between(times: list[float], begin: float, end: float) -> list[Span]:
    return list(zip([begin, *times], [*times, end], strict=True))


def without(span: Span, excused: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    begin, end = span
    left = []
    for first, last in sorted(each for each in excused if each[0] < end and each[1] > begin):
        if first > begin:
            left.append((begin, first))
        begin = max(begin, last)
    return [*left, (begin, end)] if begin < end else left
