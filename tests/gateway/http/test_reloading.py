"""Certificates that are replaced while the gateway runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from cryptography import x509
from grpc import aio
from structlog.testing import capture_logs

from common.tls_files import TlsError
from gateway.http.reloading import Reloader
from gateway.service import Service
from mailing.v1.access_service_pb2_grpc import AccessServiceServicer, add_AccessServiceServicer_to_server
from tests.cli.test_tls import Authority
from tests.gateway.http_rig import SIGNED_IN, Access, settings
from tests.patience import PATIENT_SECONDS


def put(folder: Path, source: str, target: str, *suffixes: str) -> None:
    """Replace the files of one certificate by those of another."""
    for suffix in suffixes or (".pem", ".key"):
        shutil.copy(folder / f"{source}{suffix}", folder / "new")
        os.replace(folder / "new", folder / f"{target}{suffix}")


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


async def shown(port: int) -> int:
    """The serial number of the certificate that is shown now."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def test_https_shows_another_certificate_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    for name in ("used", "newer"):
        authority.issue(name)
    pair = {"http_tls_cert": str(tmp_path / "used.pem"), "http_tls_key": str(tmp_path / "used.key")}
    service = Service(settings(engine_target="127.0.0.1:1", **pair))
    try:
        await service.start()
        port, first = service.address.port, serial(tmp_path / "used.pem")
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as session:
            assert (await session.get("/healthz")).status == 200
            with capture_logs() as lines:
                put(tmp_path, "newer", "used", ".key")  # it does not belong to the certificate yet
                service._reloader.look()
                assert await shown(port) == first
                put(tmp_path, "newer", "used")
                service._reloader.look()
                service.reload()
            assert await shown(port) == serial(tmp_path / "newer.pem") != first
            assert [each["event"] for each in lines] == ["tls.not_reloaded", "tls.reloaded", "tls.reloaded"]
            assert (await session.get("/healthz")).status == 200  # over the connection of before
    finally:
        await service.stop()


class Whole(Access, AccessServiceServicer):
    """With the methods that nobody calls."""


@asynccontextmanager
async def mutual_engine(folder: Path) -> AsyncIterator[int]:
    """An engine that takes callers of the authority ``new`` only; gives its port."""
    server = aio.server()
    servicer: Any = Whole  # it has no methods that nobody calls, which the stubs' types ask for
    add_AccessServiceServicer_to_server(servicer(), server)
    pair = ((folder / "engine.key").read_bytes(), (folder / "engine.pem").read_bytes())
    credentials = grpc.ssl_server_credentials([pair], (folder / "new-ca.pem").read_bytes(), require_client_auth=True)
    port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    yield port
    await server.stop(0)


async def test_the_engine_is_shown_another_certificate(tmp_path: Path) -> None:
    Authority(tmp_path, "ca").issue("engine")
    Authority(tmp_path, "old-ca").issue("mine")
    Authority(tmp_path, "new-ca").issue("newer")
    files = {"ca": "ca.pem", "cert": "mine.pem", "key": "mine.key"}
    given = {f"engine_tls_{name}": str(tmp_path / file) for name, file in files.items()}
    async with mutual_engine(tmp_path) as port, aiohttp.ClientSession(headers=SIGNED_IN) as session:
        service = Service(settings(engine_target=f"localhost:{port}", **given))
        try:
            await service.start()
            url = f"http://{service.address}/api/v1/session"
            assert (await session.get(url)).status == 503
            put(tmp_path, "newer", "mine")
            service._reloader.look()
            assert (await session.get(url)).status == 200
        finally:
            await service.stop()


async def test_files_are_looked_at_now_and_then(tmp_path: Path) -> None:
    path, read = tmp_path / "a", asyncio.Event()
    path.write_text("1")

    def fail() -> None:
        read.set()
        raise TlsError("MAILING_HTTP_TLS_CERT", "no good")

    reloader = Reloader(period_seconds=0.001)
    await reloader.stop()  # stopping what has not started is no error
    reloader.watch("a", [path, None], fail)
    reloader.start()
    await asyncio.sleep(0.02)
    assert not read.is_set()
    for text in ("22", "333"):
        path.write_text(text)
        async with asyncio.timeout(PATIENT_SECONDS):
            await read.wait()
        read.clear()
    await reloader.stop()


async def test_without_certificates_nothing_is_looked_at() -> None:
    service = Service(settings(engine_target="127.0.0.1:1"))
    try:
        await service.start()
        service.reload()
        assert service._reloader._task is None
    finally:
        await service.stop()
