"""One trace leads from REST through gRPC to the provider's call (docs/behaviour.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.tracing import Tracing, outgoing
from gateway.service import Service as Gateway
from gateway.settings import load as load_gateway
from scripts.token_channel import API_TOKEN
from tests.patience import PATIENT_SECONDS
from tests.rules.rig import Rig, running, until

URL = "http://127.0.0.1:9/v1/traces"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What all processes hand over."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(Tracing, "to", lambda _url, name: Tracing(name, SimpleSpanProcessor(exporter)))
    return exporter


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[str, list[Mapping[str, str]]]]:
    """A provider that takes everything, and the headers that it was sent."""
    seen: list[Mapping[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.json_response({"code": 0, "message": "OK"})

    app = web.Application()
    app.router.add_post("/v1/send/{id}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", seen
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway_of(rig: Rig) -> AsyncIterator[str]:
    flags = {"http_listen": "127.0.0.1:0", "engine_target": f"127.0.0.1:{rig.service.grpc_port}", "traces_url": URL}
    service = Gateway(load_gateway({**flags, "admin_secret": "x" * 32}, {}, None))
    await service.start()
    try:
        yield f"http://{service.address}/api/v1"
    finally:
        await service.stop()


def by_name(spans: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def ids(span: ReadableSpan) -> tuple[str, int, int | None]:
    """Trace, span and parent."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", context.span_id, None if span.parent is None else span.parent.span_id


async def test_a_test_text_is_one_trace_from_rest_to_the_provider(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    body: dict[str, Any] = {"text": "a secret text", "phone_numbers": ["79161234567"]}
    headers = {"Authorization": f"Bearer {API_TOKEN}", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    async with (
        provider() as (url, seen),
        running(tmp_path, provider_url=url, traces_url=URL) as rig,
        gateway_of(rig) as rest,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        async with session.post(f"{rest}/mailings/test", json=body) as answer:
            assert answer.status == 200
        async with session.get(f"{rest}/mailings/4711") as answer:
            assert answer.status == 404
    found = by_name(spans.get_finished_spans())
    http, rpc, call = (
        found["POST /api/v1/mailings/test"],
        found["mailing.v1.MailingService/TestMailing"],
        found["send"],
    )
    assert {ids(span)[0] for span in (http, rpc, call)} == {TRACE}
    assert (ids(rpc)[2], ids(call)[2]) == (ids(http)[1], ids(rpc)[1])
    assert [each["traceparent"] for each in seen] == [f"00-{TRACE}-{ids(call)[1]:016x}-01"]
    assert dict(call.attributes or {}) == {"provider": "fbrq", "message_id": 1, "http.response.status_code": 200}
    assert (rpc.attributes or {})["rpc.grpc.status"] == "OK"
    assert (found["mailing.v1.MailingService/GetMailing"].attributes or {})["rpc.grpc.status"] == "NOT_FOUND"
    assert (found["GET /api/v1/mailings/{mailing_id}"].attributes or {})["http.response.status_code"] == 404
    everything = "".join(span.to_json() for span in spans.get_finished_spans())
    assert not any(secret in everything for secret in (API_TOKEN, "a secret text", "79161234567"))


async def test_a_mailing_s_texts_have_a_trace_each(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with provider() as (url, seen), running(tmp_path, provider_url=url, traces_url=URL) as rig:
        await rig.add_clients(3)
        mailing = await rig.register()
        await rig.finished(mailing.id)
        await until(lambda: len(seen) == 3)
    calls = [span for span in spans.get_finished_spans() if span.name == "send"]
    assert {(span.attributes or {})["message_id"] for span in calls} == {1, 2, 3}
    assert len({ids(span)[0] for span in calls}) == 3
    told = sorted(each["traceparent"].rpartition("-")[0] for each in seen)
    assert told == sorted(f"00-{ids(span)[0]}-{ids(span)[1]:016x}" for span in calls)


async def test_without_the_setting_nobody_is_told_anything(tmp_path: Path) -> None:
    async with provider() as (url, seen), running(tmp_path, provider_url=url) as rig:
        await rig.add_clients(1)
        await rig.finished((await rig.register()).id)
    assert [each for each in seen if "traceparent" in {name.lower() for name in each}] == []
    assert outgoing() == {}


async def test_a_stop_does_not_wait_for_a_collector_that_is_away(tmp_path: Path) -> None:
    async with asyncio.timeout(None) as limit:
        async with running(tmp_path, traces_url=URL) as rig:
            await rig.add_clients(1)
            await rig.finished((await rig.register()).id)
            limit.reschedule(asyncio.get_running_loop().time() + PATIENT_SECONDS)  # of the stop, not of the life
