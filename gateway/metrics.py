"""What the gateway counts, for Prometheus (docs/behaviour.md, section 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.metrics import RPC_BOUNDS_SECONDS, Gauge, Histogram, RpcDurations, histograms

_LABELS: Final = ("method", "route", "status")


class Metrics(Collector):
    """All of the gateway's metrics, in a registry of their own: two gateways in one process don't meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.rpcs = RpcDurations()
        """Calls to the engine; of a stream: how long it was open."""
        self.connections = Gauge()
        self.requests = Gauge()
        """Requests being answered."""
        self._http: dict[tuple[str, ...], Histogram] = {}
        self.registry.register(self)

    def http_seconds(self, method: str, route: str, status: int) -> Histogram:
        """Durations of a route's answers: ``GET``, ``/api/v1/clients/{client_id}``, 200. Routes are few."""
        key = (method, route, str(status))
        histogram = self._http.get(key)
        if histogram is None:
            histogram = self._http[key] = Histogram(RPC_BOUNDS_SECONDS)
        return histogram

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when a page is made."""
        yield self.rpcs.metric()
        yield histograms(
            "mailing_http_seconds", "Duration of an HTTP answer, by route and status.", _LABELS, self._http
        )
        yield GaugeMetricFamily("mailing_http_connections", "Open connections.", value=self.connections.value)
        yield GaugeMetricFamily("mailing_http_requests", "Requests being answered.", value=self.requests.value)
