"""What a process counts, for Prometheus.

prometheus_client's own counters take a lock and about 1.5 us for each change. Here everything runs on
one event loop, so a counter is a plain number and a change costs what an addition costs; the library
is asked for the text of a page only. Labels are few and bounded, never a mailing, a client or a phone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

RPC_BOUNDS_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SERIES_MAX: Final = 500
"""A label that grows without bound is a bug; it ends in the series ``other`` and not in memory."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Add ``amount``: one call for a whole batch."""
        self.value += amount


class Gauge:
    """A number that goes up and down: set, or followed by asking for it when a page is made."""

    __slots__ = ("_read", "_value")

    def __init__(self) -> None:
        self._value: float = 0
        self._read: Callable[[], float] | None = None

    @property
    def value(self) -> float:
        """The number as it is now."""
        return self._value if self._read is None else self._read()

    def set(self, value: float) -> None:
        """Set the number."""
        self._value = value

    def inc(self, amount: float = 1) -> None:
        """Add ``amount``, which may be negative."""
        self._value += amount

    def follow(self, read: Callable[[], float]) -> None:
        """From now on ask ``read`` for the number: ``metrics.queue_depth.follow(queue.qsize)``."""
        self._read = read


class Histogram:
    """How many durations fell into each bucket, and their sum, in seconds."""

    __slots__ = ("_bounds", "_counts", "_sum_seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum_seconds += seconds

    def observe_all(self, durations: Iterable[float]) -> None:
        """Count a batch of durations, in seconds: with a search a bucket, not a search a duration."""
        ordered = sorted(durations)
        below = 0
        for number, bound in enumerate(self._bounds):
            up_to = bisect_right(ordered, bound, below)
            self._counts[number] += up_to - below
            below = up_to
        self._counts[-1] += len(ordered) - below
        self._sum_seconds += sum(ordered)

    @property
    def sum_seconds(self) -> float:
        """The sum of all durations."""
        return self._sum_seconds

    def buckets(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus wants them: (upper bound, how many up to it)."""
        total, result = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            result.append((bound, float(total)))
        return result


class RpcDurations:
    """How long calls of RPCs took, by method and status: ``mailing_rpc_seconds`` of both processes."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], Histogram] = {}

    def of(self, method: str, code: str) -> Histogram:
        """Durations of a method's calls (``/mailing.v1.ClientService/GetClient``, ``OK``)."""
        histogram = self._found.get((method, code))
        if histogram is None:
            key = (method, code) if len(self._found) < _SERIES_MAX else ("other", "other")
            histogram = self._found.setdefault(key, Histogram(RPC_BOUNDS_SECONDS))
        return histogram

    def metric(self) -> Metric:
        """All of them, for a page."""
        text = "Duration of a gRPC call, by method and status."
        return histograms("mailing_rpc_seconds", text, ("method", "code"), self._found)


def counters(name: str, text: str, label: str, found: Mapping[str, Counter]) -> Metric:
    """One metric of counters, by the value of one label, for a page."""
    family = CounterMetricFamily(name, text, labels=[label])
    for value, counter in found.items():
        family.add_metric([value], counter.value)
    return family


def histograms(name: str, text: str, labels: Sequence[str], found: Mapping[tuple[str, ...], Histogram]) -> Metric:
    """One metric of histograms, by the values of ``labels``, for a page."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in found.items():
        family.add_metric(values, histogram.buckets(), histogram.sum_seconds)
    return family
