"""HTTPS: those who begin a handshake and then say nothing. (That it is spoken: test_gateway_process.py.)"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.service import Service
from tests.gateway.http_rig import settings
from tests.gateway.test_tls import Authority


async def test_a_handshake_that_never_ends_is_ended(tmp_path: Path) -> None:
    Authority(tmp_path, "ca").issue("gateway")
    pair = {"http_tls_cert": str(tmp_path / "gateway.pem"), "http_tls_key": str(tmp_path / "gateway.key")}
    service = Service(settings(engine_target="127.0.0.1:1", http_read_seconds=0.5, **pair))
    try:
        await service.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", service.address.port)
        began = time.perf_counter()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert 0.3 < time.perf_counter() - began < 5
        writer.close()
    finally:
        await service.stop()
