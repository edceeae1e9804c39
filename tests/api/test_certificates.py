"""Certificates: read again when they change, and what the name in a caller's tells."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode, aio
from structlog.testing import capture_logs

from common.pem import PemFiles
from engine.api.server import ApiServer
from engine.api.tls import Tls
from engine.gateways import Gateways, read_gateways
from engine.store.rows import AuditQuery, Page
from engine.store.store import Store
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import CreateClientRequest
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from scripts.token_channel import with_token
from tests.api.conftest import refusal
from tests.api.fakes import FakeClock, FakeControl
from tests.api.test_server import Authority, call_with


def serial_of(port: int) -> int:
    """Of the certificate that the server shows now."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("localhost", port)).encode()).serial_number


def replace(source: tuple[Path, Path], target: tuple[Path, Path]) -> None:
    for one, other in zip(source, target, strict=True):
        shutil.copy(one, other.with_suffix(".new"))
        os.replace(other.with_suffix(".new"), other)


@pytest.mark.parametrize("by_signal", [False, True])
async def test_another_certificate_needs_no_restart(store: Store, tmp_path: Path, by_signal: bool) -> None:
    authority, stranger = Authority(tmp_path), tmp_path / "other"
    stranger.mkdir()
    used, newer = authority.issue("server"), authority.issue("newer")
    plain = grpc.ssl_channel_credentials(authority.path.read_bytes())
    server = ApiServer(store, FakeControl(), FakeClock(), tls=Tls(*used))
    port = await server.start("localhost:0")
    async with aio.secure_channel(f"localhost:{port}", plain) as old:
        assert await call_with(port, plain) == 7
        check: Any = old.unary_unary("/grpc.health.v1.Health/Check")
        await check(b"")
        with capture_logs() as lines:
            shutil.copy(newer[1], used[1])  # its key alone: they don't belong together
            assert await call_with(port, plain) == 7
            replace(newer, used)
            if by_signal:
                server.reload()
            assert await call_with(port, plain) == 7
        assert [each["event"] for each in lines] == ["tls.not_reloaded", "tls.reloaded"]
        await check(b"")
    other = Authority(stranger)
    replace(other.issue("server"), used)
    assert (await refusal(call_with(port, plain))).code is StatusCode.UNAVAILABLE
    assert await call_with(port, grpc.ssl_channel_credentials(other.path.read_bytes())) == 7
    await server.stop(0)


def test_files_have_changed_once(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_text("one")
    files = PemFiles([path])
    assert not files.changed()
    path.write_text("another")
    assert [files.changed(), files.changed()] == [True, False]
    files.forget()
    assert [files.changed(), files.changed()] == [True, False]
    path.unlink()
    assert [files.changed(), files.changed()] == [True, False]


@pytest.mark.parametrize(
    ("gateways", "believed"), [("client", True), ("other.name, 10.0.0.1", False), ("127.0.0.1", True)]
)
async def test_a_gateway_is_known_by_its_certificate(
    store: Store, tmp_path: Path, gateways: str, believed: bool
) -> None:
    authority = Authority(tmp_path)
    named = read_gateways(gateways)
    assert isinstance(named, Gateways)
    mine, my_key = authority.issue("client")
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes(), my_key.read_bytes(), mine.read_bytes())
    tls = Tls(*authority.issue("server"), authority.path)
    server = ApiServer(store, FakeControl(), FakeClock(), tls=tls, gateways=named)
    port = await server.start("127.0.0.1:0")
    options = [("grpc.ssl_target_name_override", "localhost")]
    async with aio.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        asked = CreateClientRequest(client=Client(phone_number="79161234567"))
        claim = (("x-forwarded-for", "198.51.100.7"),)
        await ClientServiceStub(with_token(channel)).CreateClient(asked, metadata=claim)
    await server.stop(0)
    (event,) = (await store.list_audit(AuditQuery(), Page())).items
    assert event.peer.startswith("198.51.100.7 via ipv4:127.0.0.1:" if believed else "ipv4:127.0.0.1:")


@pytest.mark.parametrize(
    ("host", "believed"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_believed_unless_somebody_else_is_named(host: str, believed: bool) -> None:
    assert Gateways().believe(host, {}) == believed


@pytest.mark.parametrize(
    "text", ["10.0.0", "10.0.0.0/33", "300.1.1.1", "a b", "10.0.0.1/8", "gate way", "gw;rm", "::g/1/2"]
)
def test_what_can_be_no_gateway(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        read_gateways(text)


def test_gateways_are_shown_as_they_were_written() -> None:
    assert str(read_gateways("gateway.internal, 10.0.0.7,fd00::/8")) == "10.0.0.7/32, fd00::/8, gateway.internal"
