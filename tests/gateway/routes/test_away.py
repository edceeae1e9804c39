"""Streams while the engine is away, and when the gateway stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.rig import Gateway, serving
from tests.gateway.routes.test_mailings import events, registered
from tests.patience import PATIENT_SECONDS


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/clients/import"), ("GET", "/clients/export"), ("GET", "/mailings/1/events")]
)
async def test_a_stream_without_an_engine_is_503(tmp_path: Path, method: str, path: str) -> None:
    async with serving(tmp_path, gateway={"engine_target": "127.0.0.1:1"}) as gateway:
        body = b"phone_number\n" + b"79160000001\n" * 50_000 if method == "POST" else None
        answer = await gateway.ask(method, path, data=body, headers={"Content-Type": "text/csv"})
        assert (answer.status, answer.bad) == (503, [])
        assert int(answer.headers["retry-after"]) >= 1


async def test_an_import_that_is_given_up_keeps_what_was_sent(gateway: Gateway) -> None:
    sent = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield b"phone_number\n" + b"".join(b"7916%07d\n" % number for number in range(5000))
        sent.set()
        await asyncio.Event().wait()

    work = asyncio.create_task(gateway.post("/clients/import", data=rows(), headers={"Content-Type": "text/csv"}))
    await sent.wait()
    async with asyncio.timeout(PATIENT_SECONDS):
        while (await gateway.get("/clients")).json["total_size"] < 4000:
            await asyncio.sleep(0.02)
    work.cancel()
    await asyncio.sleep(0.2)
    stored = (await gateway.get("/clients")).json["total_size"]
    assert 4000 <= stored <= 5000  # whole pages; the last one was not full yet, so it may be missing


async def test_events_end_when_the_gateway_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await gateway.engine.add_clients(1)
        made = await registered(gateway, 600)
        async with gateway.http.get(f"{gateway.url}/api/v1/mailings/{made['id']}/events") as following:
            first = await following.content.readuntil(b"\n\n")
            async with asyncio.timeout(PATIENT_SECONDS):
                await gateway.service.stop()
            told = events(first + await following.content.read())  # it is whole, not cut off
        assert [name for name, _ in told] == ["progress"] * len(told)
        assert told
