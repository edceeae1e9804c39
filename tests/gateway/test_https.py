"""HTTPS: those who begin a handshake and then say nothing. (That it is spoken: test_gateway_process.py.)"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.service import Service
from tests.cli.test_tls import Authority
from tests.gateway.http_rig import gateway, settings
from tests.patience import PATIENT_SECONDS


async def test_a_handshake_that_never_ends_is_ended(tmp_path: Path) -> None:
    Authority(tmp_path, "ca").issue("gateway")
    pair = {"http_tls_cert": str(tmp_path / "gateway.pem"), "http_tls_key": str(tmp_path / "gateway.key")}
    service = Service(settings(engine_target="127.0.0.1:1", http_read_seconds=0.5, **pair))
    try:
        await service.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", service.address.port)
        began = time.perf_counter()
        assert await asyncio.wait_for(reader.read(), PATIENT_SECONDS) == b""
        assert time.perf_counter() - began > 0.3
        writer.close()
    finally:
        await service.stop()


@pytest.mark.parametrize(("seconds", "told"), [(31_536_000, "max-age=31536000"), (0, None)])
async def test_browsers_are_told_to_insist_on_it(tmp_path: Path, seconds: int, told: str | None) -> None:
    Authority(tmp_path, "ca").issue("gateway")
    pair = {"http_tls_cert": str(tmp_path / "gateway.pem"), "http_tls_key": str(tmp_path / "gateway.key")}
    service = Service(settings(engine_target="127.0.0.1:1", http_hsts_seconds=seconds, **pair))
    try:
        await service.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
            for path in ("/healthz", "/api/v1/clients", "/none", "/admin/"):
                async with session.get(f"https://{service.address}{path}") as answer:
                    assert answer.headers.get("Strict-Transport-Security") == told
    finally:
        await service.stop()


@pytest.mark.parametrize(
    ("trusted", "proto", "told"),
    [
        ("127.0.0.0/8", "https", True),
        ("127.0.0.0/8", "http", False),
        ("10.0.0.0/8", "https", False),
        ("", "https", False),
    ],
)
async def test_a_proxy_that_is_trusted_may_say_that_it_is_spoken(trusted: str, proto: str, told: bool) -> None:
    async with (
        gateway(settings(engine_target="127.0.0.1:1", trusted_proxies=trusted)) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/healthz", headers={"X-Forwarded-Proto": proto}) as answer,
    ):
        assert ("Strict-Transport-Security" in answer.headers) is told
