"""Metrics of both processes: the names of docs/behaviour.md, section 9, bounded labels, three pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.metrics import Histogram
from common.setting_types import Listen
from engine.domain.breaker import BreakerState
from engine.metrics import BREAKER_STATES, MESSAGE_OUTCOMES, Metrics
from engine.metrics_connections import CONNECTIONS_MAX
from engine.metrics_server import MetricsServer, start_metrics_server
from tests.patience import PATIENT_SECONDS

NAMES = {
    "mailing_messages": "counter",
    "mailing_attempt_seconds": "histogram",
    "mailing_provider_responses": "counter",
    "mailing_queue_depth": "gauge",
    "mailing_in_flight": "gauge",
    "mailing_workers": "gauge",
    "mailing_breaker_state": "gauge",
    "mailing_due_lag_seconds": "gauge",
    "mailing_stalled_seconds": "gauge",
    "mailing_at_risk_mailings": "gauge",
    "mailing_at_risk_messages": "gauge",
    "mailing_webhook_calls": "counter",
    "mailing_rpc_seconds": "histogram",
}


def samples(metrics: Metrics) -> dict[str, float]:
    """Each sample by its name with labels."""
    text = generate_latest(metrics.registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_names_and_types_are_those_of_the_specification() -> None:
    text = generate_latest(Metrics().registry).decode()
    assert {family.name: family.type for family in text_string_to_metric_families(text)} == NAMES


def test_the_disk_is_told_of_where_it_is_ours(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.database_folder = tmp_path
    found = samples(metrics)
    assert 0 < found["mailing_disk_free_bytes"] < found["mailing_disk_size_bytes"]
    metrics.database_folder = tmp_path / "gone"
    assert "mailing_disk_free_bytes" not in samples(metrics)  # and the page is there all the same


def test_counters_start_at_zero_and_take_batches() -> None:
    metrics = Metrics()
    assert {f"mailing_messages_total{{outcome={name}}}" for name in MESSAGE_OUTCOMES} <= samples(metrics).keys()
    metrics.messages("sent").inc(500)
    metrics.messages("sent").inc()
    metrics.provider("fbrq").responses(503).inc(3)
    metrics.provider("fbrq").responses(None).inc()
    metrics.provider("fbrq").responses(12345).inc()
    metrics.provider("smpp").responses(None, 0).inc()
    metrics.provider("smpp").responses(None, 0x58).inc(2)
    metrics.provider("smpp").responses(None, 0x500).inc()
    found = samples(metrics)
    assert found["mailing_messages_total{outcome=sent}"] == 501
    assert found["mailing_messages_total{outcome=rejected}"] == 0
    assert found["mailing_provider_responses_total{code=503,provider=fbrq}"] == 3
    assert found["mailing_provider_responses_total{code=none,provider=fbrq}"] == 1
    assert found["mailing_provider_responses_total{code=other,provider=fbrq}"] == 1
    assert found["mailing_provider_responses_total{code=smpp_0x00,provider=smpp}"] == 1
    assert found["mailing_provider_responses_total{code=smpp_0x58,provider=smpp}"] == 2
    assert found["mailing_provider_responses_total{code=other,provider=smpp}"] == 1


def test_histogram_is_cumulative() -> None:
    metrics = Metrics()
    metrics.provider("fbrq").attempt_seconds.observe_all([0.001, 0.0011, 0.2])
    metrics.provider("fbrq").attempt_seconds.observe(100.0)
    found = samples(metrics)
    assert found["mailing_attempt_seconds_bucket{le=0.001,provider=fbrq}"] == 1
    assert found["mailing_attempt_seconds_bucket{le=0.0025,provider=fbrq}"] == 2
    assert found["mailing_attempt_seconds_bucket{le=30.0,provider=fbrq}"] == 3
    assert found["mailing_attempt_seconds_bucket{le=+Inf,provider=fbrq}"] == 4
    assert found["mailing_attempt_seconds_count{provider=fbrq}"] == 4
    assert found["mailing_attempt_seconds_sum{provider=fbrq}"] == pytest.approx(100.2021)


def test_a_batch_is_counted_as_each_of_it_would_be() -> None:
    durations = [0.3, 0.001, 0.0011, 100.0, 0.001, 30.0, 0.0]
    one_by_one, at_once = Histogram([0.001, 0.5, 30.0]), Histogram([0.001, 0.5, 30.0])
    for seconds in durations:
        one_by_one.observe(seconds)
    at_once.observe_all(durations)
    at_once.observe_all([])
    assert at_once.buckets() == one_by_one.buckets()
    assert at_once.sum_seconds == pytest.approx(one_by_one.sum_seconds)


def test_gauges_are_set_or_followed() -> None:
    metrics = Metrics()
    queue = [1, 2, 3]
    metrics.provider("fbrq").queue_depth.follow(lambda: len(queue))
    metrics.provider("fbrq").in_flight.inc()
    metrics.provider("fbrq").in_flight.inc(-1)
    metrics.provider("fbrq").workers.set(64)
    metrics.provider("fbrq").breaker_state.set(BREAKER_STATES[BreakerState.BLOCKED])
    queue.pop()
    found = samples(metrics)
    names = ("queue_depth", "in_flight", "workers", "breaker_state")
    assert [found[f"mailing_{name}{{provider=fbrq}}"] for name in names] == [2, 0, 64, 2]


def test_each_provider_is_counted_by_itself() -> None:
    metrics = Metrics()
    metrics.provider("a").responses(200).inc(2)
    metrics.provider("b").responses(200).inc()
    found = samples(metrics)
    assert [found[f"mailing_provider_responses_total{{code=200,provider={name}}}"] for name in "ab"] == [2, 1]
    assert metrics.provider("a") is metrics.provider("a")


def test_rpc_series_are_bounded() -> None:
    metrics = Metrics()
    metrics.rpc_seconds("/mailing.v1.ClientService/GetClient", "OK").observe(0.002)
    for number in range(1000):
        metrics.rpc_seconds(f"/x/{number}", "UNIMPLEMENTED").observe(0.1)
    found = samples(metrics)
    assert found["mailing_rpc_seconds_count{code=OK,method=/mailing.v1.ClientService/GetClient}"] == 1
    counts = {name: value for name, value in found.items() if name.startswith("mailing_rpc_seconds_count")}
    assert len(counts) == 501
    assert counts["mailing_rpc_seconds_count{code=other,method=other}"] == 501


def test_two_engines_in_one_process_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.messages("sent").inc()
    assert samples(second)["mailing_messages_total{outcome=sent}"] == 0


def test_a_change_costs_next_to_nothing() -> None:
    attempts = Metrics().provider("fbrq").attempt_seconds
    began = time.process_time()
    for _ in range(100_000):
        attempts.observe(0.02)
    # 0.2 us here; loose, because the machine may be busy.
    assert (time.process_time() - began) / 100_000 < 5e-6


def test_value_on_a_bound_belongs_to_the_bucket_below() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.0)
    assert histogram.buckets() == [("1.0", 1.0), ("2.0", 1.0), ("+Inf", 1.0)]


# -- the three pages -------------------------------------------------------------------------------

HEALTH: dict[str, str | None] = {}


@pytest.fixture
async def server() -> AsyncIterator[MetricsServer]:
    HEALTH.clear()
    HEALTH["database"] = None
    metrics = Metrics()
    metrics.messages("sent").inc(5)
    started = await start_metrics_server(metrics, Listen("127.0.0.1", 0), lambda: HEALTH)
    yield started
    await started.close()


async def get(server: MetricsServer, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{server.address}{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_metrics_page(server: MetricsServer) -> None:
    status, headers, body = await get(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert b'mailing_messages_total{outcome="sent"} 5.0' in body
    _, headers, body = await get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_healthz_says_that_the_process_lives(server: MetricsServer) -> None:
    HEALTH["database"] = "gone"
    assert (await get(server, "/healthz"))[::2] == (200, b"ok\n")


async def test_readyz_says_what_is_not_ready(server: MetricsServer) -> None:
    status, _, body = await get(server, "/readyz")
    assert (status, body) == (200, b'{"ready":true,"components":{"database":"ok"}}')
    HEALTH["provider"] = "blocked: HTTP 401"
    status, headers, body = await get(server, "/readyz")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (503, "application/json", "no-store")
    assert body == b'{"ready":false,"components":{"database":"ok","provider":"blocked: HTTP 401"}}'


async def test_nothing_else_is_served(server: MetricsServer) -> None:
    assert (await get(server, "/"))[0] == 404


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_no_page_of_another_name_reads_it(server: MetricsServer, path: str) -> None:
    status, _, body = await get(server, path, Host="evil.example:9101")
    assert (status, b"MAILING_METRICS_HOSTS" in body) == (421, True)
    for host in (str(server.address), "localhost:9101", "10.1.2.3"):
        assert (await get(server, path, Host=host))[0] == 200


async def test_it_is_called_by_what_it_listens_on_and_by_the_names_of_the_settings() -> None:
    started = await start_metrics_server(Metrics(), Listen("localhost", 0), lambda: HEALTH, ["engine"])
    assert (await get(started, "/healthz", Host="engine:9101"))[0] == 200
    assert (await get(started, "/healthz", Host="other:9101"))[0] == 421
    await started.close()


async def test_silent_connections_keep_nobody_out_and_are_few(server: MetricsServer) -> None:
    held = [await asyncio.open_connection("127.0.0.1", server.address.port) for _ in range(CONNECTIONS_MAX + 100)]
    async with asyncio.timeout(PATIENT_SECONDS):
        for reader, _ in held[:100]:  # the oldest are gone
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
    assert (await get(server, "/healthz"))[0] == 200
    assert len(server._runner.server.connections) <= CONNECTIONS_MAX + 1  # type: ignore[union-attr]
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize("limit", ["IDLE_SECONDS", "LIFE_SECONDS"])
@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_connection_does_not_live_for_ever(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes
) -> None:
    monkeypatch.setattr(f"engine.metrics_connections.{limit}", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
    writer.write(sent)
    async with asyncio.timeout(PATIENT_SECONDS):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_port_in_use_is_one_clear_line(server: MetricsServer) -> None:
    with pytest.raises(OSError, match=rf"can't listen on {server.address} for metrics: .*address already in use"):
        await start_metrics_server(Metrics(), server.address, lambda: HEALTH)


async def test_ipv6_loopback() -> None:
    try:
        started = await start_metrics_server(Metrics(), Listen("::1", 0), lambda: HEALTH)
    except OSError:
        pytest.skip("no IPv6 here")
    assert str(started.address).startswith("[::1]:")
    assert (await get(started, "/healthz"))[0] == 200
    await started.close()
