"""What strangers and small roles can do to the gRPC API: next to nothing."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc import Compression, StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from structlog.testing import capture_logs

from common.contract.services import SERVICES
from common.line_limit import LineLimit
from engine.access.authority import Authority
from engine.api import server as server_module
from engine.api.interceptors import CallInterceptor
from engine.api.open_calls import CAPS, Cap, OpenCalls
from engine.api.server import MESSAGE_BYTES_MAX, ApiServer
from engine.domain.access import TooManyCalls
from engine.store.store import Store
from mailing.v1.client_service_pb2 import (
    ImportClientsRequest,
    ImportClientsRow,
    ListClientsRequest,
)
from mailing.v1.mailing_pb2 import AudienceFilter
from mailing.v1.mailing_service_pb2 import CreateMailingRequest, WatchMailingRequest
from scripts.token_channel import metadata
from tests.api.conftest import Api, refusal
from tests.api.fakes import FakeClock, FakeControl
from tests.patience import PATIENT_SECONDS

BIG = b"x" * 7_800_000


# -- nobody's message is read before he is known ---------------------------------------------------


async def big_channel(api: Api) -> aio.Channel:
    return aio.insecure_channel(f"127.0.0.1:{api.port}", options=[("grpc.max_send_message_length", 1 << 30)])


@pytest.mark.parametrize("method", ["mailing.v1.ClientService/CreateClient", "mailing.v1.MailingService/WatchMailing"])
@pytest.mark.parametrize("compression", [None, Compression.Gzip])
async def test_a_big_message_without_credentials_is_refused_unread(
    api: Api, monkeypatch: pytest.MonkeyPatch, method: str, compression: Any
) -> None:
    received: list[int] = []
    _count_messages(monkeypatch, received)
    channel = await big_channel(api)
    call: Any = channel.unary_unary(f"/{method}")
    refused = await asyncio.gather(*(refusal(call(BIG, compression=compression)) for _ in range(5)))
    assert {each.code for each in refused} == {StatusCode.UNAUTHENTICATED}
    assert received == []
    await channel.close()
    await api.add_client("79161234567")
    assert received, "the count counts"


def _count_messages(monkeypatch: pytest.MonkeyPatch, received: list[int]) -> None:
    """Count what gRPC hands on, for all methods are taken apart in one place."""
    from engine.api import interceptors

    make = interceptors._parser

    def counted(handler: Any) -> Any:
        parse = make(handler)

        def count(message: bytes) -> Any:
            received.append(len(message))
            return parse(message)

        return count

    monkeypatch.setattr(interceptors, "_parser", counted)


@pytest.mark.parametrize("compression", [None, Compression.Gzip])
async def test_a_message_is_bounded_also_when_it_is_compressed(api: Api, compression: Any) -> None:
    channel = await big_channel(api)
    call: Any = channel.unary_unary("/mailing.v1.ClientService/CreateClient")
    refused = await refusal(call(bytes(MESSAGE_BYTES_MAX + 1), metadata=metadata(), compression=compression))
    assert refused.code is StatusCode.RESOURCE_EXHAUSTED
    await channel.close()


def test_what_the_contract_allows_fits_into_a_message() -> None:
    row = ImportClientsRow(
        phone_number="7" * 20, phone_code="я" * 16, tag="я" * 64, time_zone="America/Argentina/X" * 3
    )
    assert ImportClientsRequest(rows=[row] * 1000).ByteSize() < MESSAGE_BYTES_MAX / 2
    request = CreateMailingRequest(request_id="x" * 128)
    request.mailing.text = "я" * 4096
    request.mailing.filter.CopyFrom(AudienceFilter(tags=["я" * 64] * 1000, phone_codes=["я" * 16] * 1000))
    assert request.ByteSize() < MESSAGE_BYTES_MAX / 2


@pytest.mark.parametrize("method", ["mailing.v1.AccessService/SignIn", "grpc.health.v1.Health/Check"])
@pytest.mark.parametrize("authorized", [False, True])
async def test_nonsense_is_refused_without_a_line_in_the_log(api: Api, method: str, authorized: bool) -> None:
    call: Any = api.plain_channel.unary_unary(f"/{method}")
    other: Any = api.plain_channel.unary_unary("/mailing.v1.ClientService/CreateClient")
    with capture_logs() as lines:
        refused = await refusal(call(b"\xff\xff", metadata=metadata() if authorized else ()))
        assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "UNREADABLE_MESSAGE")
        if authorized:
            assert (await refusal(other(b"\xff\xff", metadata=metadata()))).code is StatusCode.INVALID_ARGUMENT
    assert lines == []


async def test_a_stranger_who_never_sends_his_message_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    async def nothing() -> AsyncIterator[bytes]:
        for each in list[bytes]():
            yield each

    call: Any = api.plain_channel.stream_unary("/grpc.health.v1.Health/Check")
    with monkeypatch.context() as patched:
        patched.setattr("engine.api.interceptors._MESSAGE_SECONDS", 0.05)
        assert (await refusal(call(silent()))).reason == "NO_MESSAGE_IN_TIME"
    assert (await refusal(call(nothing()))).message == "there is no message"


# -- health and reflection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "request_bytes", "streams", "code"),
    [
        ("grpc.health.v1.Health/Check", b"", False, StatusCode.OK),
        ("grpc.health.v1.Health/List", b"", False, StatusCode.OK),
        ("grpc.health.v1.Health/Watch", b"", True, StatusCode.OK),
        ("grpc.health.v1.Health/Nonsense", b"", False, StatusCode.UNIMPLEMENTED),
        ("grpc.health.v1.Health/Check", b"\n\x04none", False, StatusCode.NOT_FOUND),
        ("grpc.health.v1.Health/Check", b"\n\xff\x7f" + b"x" * 16383, False, StatusCode.INVALID_ARGUMENT),
        ("grpc.health.v1.Health/Watch", b"\n\xff\x7f" + b"x" * 16383, True, StatusCode.INVALID_ARGUMENT),
        ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"", True, StatusCode.UNAUTHENTICATED),
        ("grpc.reflection.v1alpha.ServerReflection/Nonsense", b"", False, StatusCode.UNIMPLEMENTED),
        ("nobody.Knows/This", b"", False, StatusCode.UNIMPLEMENTED),
    ],
)
async def test_methods_that_are_not_ours_answer_without_a_token_and_never_fail(
    api: Api, method: str, request_bytes: bytes, streams: bool, code: StatusCode
) -> None:
    kind: Any = api.plain_channel.unary_stream if streams else api.plain_channel.unary_unary
    call = kind(f"/{method}")(request_bytes, timeout=PATIENT_SECONDS)
    with capture_logs() as lines:
        try:
            if streams:
                await call.read()
            else:
                await call
            found = StatusCode.OK
        except aio.AioRpcError as error:
            found = error.code()
    call.cancel()
    assert (found, lines) == (code, [])


async def test_all_methods_of_health_and_reflection_are_in_the_table_above() -> None:
    modules: tuple[Any, ...] = (health_pb2, reflection_pb2)
    found = {method.name for m in modules for s in m.DESCRIPTOR.services_by_name.values() for method in s.methods}
    assert found == {"Check", "List", "Watch", "ServerReflectionInfo"}


async def test_health_lists_what_can_be_asked_for(api: Api) -> None:
    stub: Any = health_pb2_grpc.HealthStub(api.plain_channel)
    listed = await stub.List(health_pb2.HealthListRequest())  # type: ignore[attr-defined]
    names = ("", "provider", "delivery", *(service.full_name for service in SERVICES.values()))
    assert {name: each.status for name, each in listed.statuses.items()} == dict.fromkeys(
        names, health_pb2.HealthCheckResponse.SERVING
    )


# -- how many ----------------------------------------------------------------------------------


def test_calls_are_counted_by_method_and_caller_and_in_all() -> None:
    calls, cap = OpenCalls(), Cap(of_one=2, in_all=3)
    with calls.hold("m", "a", cap), calls.hold("m", "b", cap):
        with calls.hold("m", "a", cap):
            for caller, words in (("a", "you have 2 calls"), ("c", "3 calls of this method")):
                with pytest.raises(TooManyCalls, match=words), calls.hold("m", caller, cap):
                    pass
            with calls.hold("other", "a", cap):
                assert calls.open("m") == 3
        with calls.hold("m", "c", cap):
            pass
    assert (calls.open("m"), calls._of_one) == (0, {})


def test_every_stream_and_every_open_method_has_a_cap(api: Api) -> None:
    calls = OpenCalls()
    assert calls.cap("/any", is_open=False, is_stream=True)
    assert calls.cap("/any", is_open=True, is_stream=False)
    assert calls.cap("/any", is_open=False, is_stream=False) is None
    methods = set(api.server._interceptor._requirements)
    assert set(CAPS) <= methods


@pytest.fixture
def small_caps(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    small = {"/grpc.health.v1.Health/Watch": Cap(2, 3), "/mailing.v1.MailingService/WatchMailing": Cap(2, 3)}
    monkeypatch.setattr(api.server._interceptor._open_calls, "_caps", small)


@pytest.mark.usefixtures("small_caps")
async def test_a_caller_has_so_many_streams_and_gets_another_when_one_has_ended(api: Api) -> None:
    stub: Any = health_pb2_grpc.HealthStub(api.plain_channel)
    calls = api.server._interceptor._open_calls
    asked = health_pb2.HealthCheckRequest()
    watching = [stub.Watch(asked) for _ in range(2)]
    for each in watching:
        await each.read()
    refused = await refusal(stub.Watch(asked).read())
    assert (refused.code, refused.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 1
    elsewhere = stub.Watch(asked, metadata=(("x-forwarded-for", "198.51.100.7"),))
    await elsewhere.read()
    third = (("x-forwarded-for", "203.0.113.9"),)
    assert (await refusal(stub.Watch(asked, metadata=third).read())).message.startswith("3 calls of this method")
    watching[0].cancel()
    async with asyncio.timeout(PATIENT_SECONDS):
        while calls.open("/grpc.health.v1.Health/Watch") == 3:
            await asyncio.sleep(0.005)
    again = stub.Watch(asked)
    await again.read()
    for each in (*watching, elsewhere, again):
        each.cancel()


@pytest.mark.usefixtures("small_caps")
async def test_an_identity_has_so_many_streams_wherever_it_calls_from(api: Api) -> None:
    mailing = await api.add_mailing()
    asked = WatchMailingRequest(mailing_id=mailing.id)
    await api.add_clients(1)
    watching = [api.mailings.WatchMailing(asked) for _ in range(2)]
    for each in watching:
        await each.read()
    away: Any = (("x-forwarded-for", "198.51.100.7"),)
    assert (await refusal(api.mailings.WatchMailing(asked, metadata=away).read())).reason == "TOO_MANY_CALLS"
    for each in watching:
        each.cancel()


async def test_connections_are_bounded_and_silent_ones_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"grpc.max_allowed_incoming_connections": 3, "grpc.server_handshake_timeout_ms": 300}
    assert set(changed) < {name for name, _ in server_module.OPTIONS}
    options = tuple((name, changed.get(name, value)) for name, value in server_module.OPTIONS)
    monkeypatch.setattr(server_module, "OPTIONS", options)
    clock = FakeClock()
    server = ApiServer(store, FakeControl(), clock, authority=Authority(store, clock))
    port = await server.start("127.0.0.1:0")
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
    async with asyncio.timeout(PATIENT_SECONDS):
        for reader, writer in ends:  # the last five at once, the first three after the time for a handshake
            while await reader.read(1024):
                pass
            writer.close()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENT_SECONDS)
    await server.stop(0)


# -- the log -----------------------------------------------------------------------------------


async def test_a_caller_can_not_fill_the_log_with_failures(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("bug")

    now = [0.0]
    monkeypatch.setattr("engine.api.interceptors._lines", LineLimit(clock=lambda: now[0]))
    monkeypatch.setattr(api.store, "list_clients", broken)
    with capture_logs() as lines:
        for _ in range(20):
            await refusal(api.clients.ListClients(ListClientsRequest()))
        now[0] = 1.0
        await refusal(api.clients.ListClients(ListClientsRequest()))
    assert [(each["event"], each.get("more")) for each in lines] == [("rpc.failed", None), ("rpc.failed", 19)]


async def test_a_method_that_a_servicer_lacks_is_no_bug(api: Api) -> None:
    """As the library's health service lacked ``List``: the generated base class has a method that only raises."""
    interceptor = CallInterceptor(api.server._authority, {"/grpc.health.v1.Health/Check": None})
    server = aio.server(interceptors=(interceptor,))
    health_pb2_grpc.add_HealthServicer_to_server(health_pb2_grpc.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with capture_logs() as lines:
            refused = await refusal(stub.Check(health_pb2.HealthCheckRequest()))
    await server.stop(0)
    assert (refused.code, lines) == (StatusCode.UNIMPLEMENTED, [])


def http2_call(*headers: tuple[str, str]) -> bytes:
    """A call as it goes over the wire, with headers that gRPC's own client would not send."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    sent = {":method": "POST", ":scheme": "http", ":path": "/grpc.health.v1.Health/Check", ":authority": "x"}
    sent |= {"te": "trailers", "content-type": "application/grpc"} | dict(headers)
    texts = [[part.encode() for part in header] for header in sent.items()]
    block = b"".join(b"\0" + b"".join(bytes([len(text)]) + text for text in header) for header in texts)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, block) + frame(0, 1, 1, b"\0" * 5)


SERVE = """
import asyncio, sys
import engine
from grpc import aio
async def main():
    server = aio.server()
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)
asyncio.run(main())
"""


async def test_headers_that_can_not_be_read_write_no_line() -> None:
    """gRPC's core would write one for each of them to stderr, where nothing bounds it."""
    environ = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    for header in (("grpc-encoding", "foo"), ("grpc-timeout", "soon"), ("te", "bad")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(http2_call(header))
        assert await reader.read(1), "it has answered"
        await asyncio.sleep(0.05)
        writer.close()
    _, errors = await process.communicate(b"")
    assert errors == b""
