"""What the engine counts, for Prometheus (SPEC, section 9).

prometheus_client's own counters take a lock and about 1.5 us for each change. Here everything runs on
one event loop, so a counter is a plain number and a change costs what an addition costs; the library
is asked for the text of a page only. Labels are few and bounded, never a mailing, a client or a phone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

MessageOutcome = Literal["sent", "rejected", "deferred", "expired", "cancelled", "uncertain"]
MESSAGE_OUTCOMES: Final[tuple[MessageOutcome, ...]] = (
    "sent", "rejected", "deferred", "expired", "cancelled", "uncertain",
)  # fmt: skip
BREAKER_STATES: Final = {"closed": 0, "open": 1, "blocked": 2}
ATTEMPT_BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
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
        """Count a batch of durations, in seconds."""
        counts, bounds = self._counts, self._bounds
        for seconds in durations:
            counts[bisect_left(bounds, seconds)] += 1
            self._sum_seconds += seconds

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


class Metrics(Collector):
    """All of the engine's metrics, in a registry of their own: two engines in one process don't meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.attempt_seconds = Histogram(ATTEMPT_BOUNDS_SECONDS)
        """How long a call to the provider took."""
        self.queue_depth = Gauge()
        """Messages claimed that no worker has taken yet."""
        self.in_flight = Gauge()
        """Calls to the provider going on."""
        self.workers = Gauge()
        self.breaker_state = Gauge()
        """See ``BREAKER_STATES``."""
        self.due_lag_seconds = Gauge()
        """How late the oldest due message is."""
        self._messages: dict[str, Counter] = {outcome: Counter() for outcome in MESSAGE_OUTCOMES}
        self._responses: dict[str, Counter] = {}
        self._rpcs: dict[tuple[str, ...], Histogram] = {}
        self.registry.register(self)

    def messages(self, outcome: MessageOutcome) -> Counter:
        """Messages that reached an outcome; ``deferred`` counts attempts to be repeated."""
        return self._messages[outcome]

    def provider_responses(self, code: int | None) -> Counter:
        """The provider's answers by HTTP status; ``None``: no answer (time-out, refused, reset)."""
        label = "none" if code is None else str(code) if 100 <= code <= 599 else "other"
        counter = self._responses.get(label)
        if counter is None:
            counter = self._responses[label] = Counter()
        return counter

    def rpc_seconds(self, method: str, code: str) -> Histogram:
        """Durations of a method's calls (``/mailing.v1.ClientService/GetClient``, ``OK``)."""
        histogram = self._rpcs.get((method, code))
        if histogram is None:
            key = (method, code) if len(self._rpcs) < _SERIES_MAX else ("other", "other")
            histogram = self._rpcs.setdefault(key, Histogram(RPC_BOUNDS_SECONDS))
        return histogram

    def set_breaker_state(self, state: str) -> None:
        """Set the breaker's gauge by the state's name: ``closed``, ``open`` or ``blocked``."""
        self.breaker_state.set(BREAKER_STATES[state])

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when a page is made."""
        messages = "Messages that reached an outcome; deferred: attempts that will be repeated."
        yield _counters("mailing_messages", messages, "outcome", self._messages)
        yield _counters(
            "mailing_provider_responses", "Answers of the provider by HTTP status.", "code", self._responses
        )
        yield _histograms(
            "mailing_attempt_seconds", "Duration of a call to the provider.", (), {(): self.attempt_seconds}
        )
        rpc = "Duration of a gRPC call, by method and status."
        yield _histograms("mailing_rpc_seconds", rpc, ("method", "code"), self._rpcs)
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        states = ", ".join(f"{number} {name}" for name, number in BREAKER_STATES.items())
        for name, text, gauge in (
            ("mailing_queue_depth", "Messages claimed that no worker has taken yet.", self.queue_depth),
            ("mailing_in_flight", "Calls to the provider going on.", self.in_flight),
            ("mailing_workers", "Calls to the provider at the same time, at most.", self.workers),
            ("mailing_breaker_state", f"The circuit breaker: {states}.", self.breaker_state),
            ("mailing_due_lag_seconds", "How late the oldest due message is.", self.due_lag_seconds),
        ):
            yield GaugeMetricFamily(name, text, value=gauge.value)


def _counters(name: str, text: str, label: str, counters: dict[str, Counter]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, counter in counters.items():
        family.add_metric([value], counter.value)
    return family


def _histograms(name: str, text: str, labels: Sequence[str], histograms: Mapping[tuple[str, ...], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in histograms.items():
        family.add_metric(values, histogram.buckets(), histogram.sum_seconds)
    return family
