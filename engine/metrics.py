"""What the engine counts, for Prometheus (docs/behaviour.md, section 9)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from shutil import disk_usage
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.metrics import Counter, Gauge, Histogram, RpcDurations, counters, histograms
from engine.domain.breaker import BreakerState
from engine.domain.liveness import STALL_SECONDS
from engine.domain.message import Reason, Status, Step
from engine.domain.webhook import DeliveryState

SENT: Final = "sent"
DEFERRED: Final = "deferred"
MESSAGE_OUTCOMES: Final = (SENT, DEFERRED, *(reason.public for reason in Reason))
"""A new reason is counted as soon as there is one."""
WEBHOOK_RESULTS: Final = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.READY: "failed",
    DeliveryState.GIVEN_UP: "given_up",
}
"""What a call to a webhook came to, by where it has left the delivery: one that is due again has failed."""
SMPP_STATUS_MAX: Final = 0x4FF
"""The specification's statuses, and those that it leaves to message centres (SMPP 3.4, 5.1.3)."""
BREAKER_STATES: Final = {BreakerState.CLOSED: 0, BreakerState.OPEN: 1, BreakerState.BLOCKED: 2}
ATTEMPT_BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def outcome_of(result: Step) -> str:
    """The outcome that a message, or its call, reaches by a step of its life."""
    if result.reason is not None:
        return result.reason.public
    return SENT if result.status is Status.SENT else DEFERRED


def answer_label(http_status: int | None, smpp_status: int | None) -> str:
    """What kind of answer a call had. There are not many: what no standard names is ``other``."""
    if smpp_status is not None:
        return f"smpp_0x{smpp_status:02x}" if 0 <= smpp_status <= SMPP_STATUS_MAX else "other"
    if http_status is None:
        return "none"
    return str(http_status) if 100 <= http_status <= 599 else "other"


class ProviderMetrics:
    """What is counted of one provider."""

    def __init__(self) -> None:
        self.attempt_seconds = Histogram(ATTEMPT_BOUNDS_SECONDS)
        """How long a call took."""
        self.queue_depth = Gauge()
        """Messages claimed that no worker has taken yet."""
        self.in_flight = Gauge()
        """Calls going on."""
        self.workers = Gauge()
        self.breaker_state = Gauge()
        """See ``BREAKER_STATES``."""
        self.answers: dict[str, Counter] = {}
        """By ``answer_label``."""

    def responses(self, http_status: int | None, smpp_status: int | None = None) -> Counter:
        """The provider's answers by status; neither: no answer (time-out, refused, reset)."""
        label = answer_label(http_status, smpp_status)
        counter = self.answers.get(label)
        if counter is None:
            counter = self.answers[label] = Counter()
        return counter


class Metrics(Collector):
    """All of the engine's metrics, in a registry of their own: two engines in one process don't meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.providers: dict[str, ProviderMetrics] = {}
        """By name."""
        self.due_lag_seconds = Gauge()
        """How late the oldest due message is."""
        self.stalled_seconds = Gauge()
        """See ``domain/liveness.py``."""
        self.at_risk_mailings = Gauge()
        """See ``api/risk.py``."""
        self.at_risk_messages = Gauge()
        self.database_folder: Path | None = None
        """Where the database's files are; ``None``: on a server, whose disk is not ours to see."""
        self._messages: dict[str, Counter] = {outcome: Counter() for outcome in MESSAGE_OUTCOMES}
        self._webhooks: dict[int, dict[DeliveryState, Counter]] = {}
        self._rpcs = RpcDurations()
        self.registry.register(self)

    def messages(self, outcome: str) -> Counter:
        """Messages that reached one of ``MESSAGE_OUTCOMES``; ``deferred`` counts attempts to be repeated."""
        return self._messages[outcome]

    def provider(self, name: str) -> ProviderMetrics:
        """What is counted of a provider."""
        return self.providers.setdefault(name, ProviderMetrics())

    def webhook_called(self, webhook_id: int, state: DeliveryState) -> None:
        """Count a call to a webhook, after which the delivery was in this state."""
        if webhook_id not in self._webhooks:
            self._webhooks[webhook_id] = {each: Counter() for each in WEBHOOK_RESULTS}
        self._webhooks[webhook_id][state].inc()

    def rpc_seconds(self, method: str, code: str) -> Histogram:
        """Durations of a method's calls (``/mailing.v1.ClientService/GetClient``, ``OK``)."""
        return self._rpcs.of(method, code)

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when a page is made."""
        messages = "Messages that reached an outcome; deferred: attempts that will be repeated."
        yield counters("mailing_messages", messages, "outcome", self._messages)
        answers = CounterMetricFamily(
            "mailing_provider_responses", "Answers of a provider by status.", labels=["code", "provider"]
        )
        for name, provider in self.providers.items():
            for code, counter in provider.answers.items():
                answers.add_metric([code, name], counter.value)
        yield answers
        durations: dict[tuple[str, ...], Histogram] = {
            (name,): provider.attempt_seconds for name, provider in self.providers.items()
        }
        yield histograms("mailing_attempt_seconds", "Duration of a call to a provider.", ("provider",), durations)
        calls = CounterMetricFamily(
            "mailing_webhook_calls", "Calls to a webhook by what came of them.", labels=["webhook_id", "result"]
        )
        for webhook_id, results in self._webhooks.items():
            for state, counter in results.items():
                calls.add_metric([str(webhook_id), WEBHOOK_RESULTS[state]], counter.value)
        yield calls
        yield self._rpcs.metric()
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        stalled = "work has not moved though neither rate, pause, window nor breaker explains it"
        for name, text, gauge in (
            ("mailing_due_lag_seconds", "How late the oldest due message is.", self.due_lag_seconds),
            ("mailing_stalled_seconds", f"For how long {stalled}; below {STALL_SECONDS:g}: 0.", self.stalled_seconds),
            ("mailing_at_risk_mailings", "Mailings that will end before all is sent.", self.at_risk_mailings),
            ("mailing_at_risk_messages", "Messages that they will leave unsent.", self.at_risk_messages),
        ):
            yield GaugeMetricFamily(name, text, value=gauge.value)
        yield from self._disk()
        yield from self._gauges_by_provider()

    def _disk(self) -> Iterator[Metric]:
        try:
            usage = None if self.database_folder is None else disk_usage(self.database_folder)
        except OSError:
            return  # the folder has gone: the engine has noticed by itself
        if usage is not None:
            yield GaugeMetricFamily("mailing_disk_free_bytes", "What SQLite's disk has left.", value=usage.free)
            yield GaugeMetricFamily("mailing_disk_size_bytes", "The size of SQLite's disk.", value=usage.total)

    def _gauges_by_provider(self) -> Iterator[Metric]:
        states = ", ".join(f"{number} {name}" for name, number in BREAKER_STATES.items())
        for name, text, gauge_of in (
            ("mailing_queue_depth", "Messages claimed that no worker has taken yet.", attrgetter("queue_depth")),
            ("mailing_in_flight", "Calls to a provider going on.", attrgetter("in_flight")),
            ("mailing_workers", "Calls to a provider at the same time, at most.", attrgetter("workers")),
            ("mailing_breaker_state", f"The circuit breaker: {states}.", attrgetter("breaker_state")),
        ):
            family = GaugeMetricFamily(name, text, labels=["provider"])
            for provider, metrics in self.providers.items():
                family.add_metric([provider], gauge_of(metrics).value)
            yield family
