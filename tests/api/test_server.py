"""What all services share: errors, deadlines, stopping, health, reflection, TLS."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from structlog.testing import capture_logs

from engine.api import housekeeping as housekeeping_module
from engine.api.control import ActorStatus, BreakerStatus
from engine.api.housekeeping import KEEP_REQUESTS_SECONDS, Housekeeping
from engine.api.server import ApiServer
from engine.api.tls import ListenError, Tls
from engine.domain.breaker import BreakerState
from engine.domain.validate import ClientInput
from engine.ports import StoreUnavailable
from engine.store.rows import Actor, RequestKey
from engine.store.store import Store
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import (
    CreateClientRequest,
    ExportClientsRequest,
    GetClientRequest,
    ImportClientsRequest,
    ImportClientsRow,
    ListClientsRequest,
)
from mailing.v1.engine_service_pb2 import GetStatusRequest
from mailing.v1.engine_service_pb2_grpc import EngineServiceStub
from mailing.v1.mailing_service_pb2 import PauseMailingRequest, WatchMailingRequest
from scripts.token_channel import with_token
from tests.api.conftest import Api, refusal
from tests.api.fakes import START_US, FakeClock, FakeControl
from tests.patience import PATIENT_SECONDS

# -- errors ------------------------------------------------------------------------------------


async def test_a_bug_is_logged_once_and_tells_the_caller_only_a_reference(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret: 79161234567")

    monkeypatch.setattr(api.store, "get_client", broken)
    with capture_logs() as lines:
        refused = await refusal(api.clients.GetClient(GetClientRequest(client_id=1)))
    assert (refused.code, refused.reason) == (StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in refused.raw
    (line,) = lines
    assert line["log_level"] == "error"
    assert line["method"] == "/mailing.v1.ClientService/GetClient"
    assert refused.message == f"internal error, reference {line['reference']}"
    assert "secret" in str(line["exc_info"])
    assert api.measured == [("GetClient", "INTERNAL")]


async def test_a_bug_in_the_midst_of_a_stream(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add_clients(1)

    async def broken(*_: object) -> AsyncIterator[Any]:
        yield (await api.store.list_clients(*_first_page())).items
        raise RuntimeError("secret")

    monkeypatch.setattr(api.store, "export_clients", broken)
    stream = api.clients.ExportClients(ExportClientsRequest())
    with capture_logs() as lines:
        await stream.read()
        refused = await refusal(stream.read())
    assert (refused.code, len(lines)) == (StatusCode.INTERNAL, 1)


def _first_page() -> tuple[Any, Any]:
    from engine.store.client_rows import ClientQuery
    from engine.store.rows import Page

    return ClientQuery(), Page()


async def test_a_database_that_is_away_is_unavailable_and_says_when_to_try_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("connection to db.internal refused")

    monkeypatch.setattr(api.store, "get_client", away)
    refused = await refusal(api.clients.GetClient(GetClientRequest(client_id=1)))
    assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "DATABASE_AWAY")
    assert refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 1
    assert "db.internal" not in refused.raw


async def test_every_call_is_measured_with_its_status(api: Api) -> None:
    await api.add_client("79161234567")
    await refusal(api.clients.GetClient(GetClientRequest(client_id=99)))
    assert [each async for each in api.clients.ExportClients(ExportClientsRequest())]
    await refusal(api.clients.ListClients(ListClientsRequest(page_size=-1)))
    assert api.measured == [
        ("CreateClient", "OK"),
        ("GetClient", "NOT_FOUND"),
        ("ExportClients", "OK"),
        ("ListClients", "INVALID_ARGUMENT"),
    ]


async def test_an_unknown_method_is_unimplemented(api: Api) -> None:
    call: Any = api.channel.unary_unary("/mailing.v1.ClientService/Nonsense")
    assert (await refusal(call(b""))).code is StatusCode.UNIMPLEMENTED


# -- deadlines, cancellation, stopping -----------------------------------------------------------


async def test_a_change_is_carried_through_although_its_caller_has_gone(api: Api) -> None:
    mailing = await api.add_mailing()
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: int) -> None:
        asked.set()
        await go.wait()

    api.control.during_refresh = slow
    api.control.refreshed.clear()
    call = api.mailings.PauseMailing(PauseMailingRequest(mailing_id=mailing.id))
    waiting = asyncio.ensure_future(call)
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(PATIENT_SECONDS):
        while api.measured[-1] != ("PauseMailing", "CANCELLED"):
            await asyncio.sleep(0.005)
    go.set()
    await api.server.stop(PATIENT_SECONDS)
    assert api.control.refreshed == [mailing.id]


async def test_a_storm_of_tight_deadlines_breaks_nothing(api: Api) -> None:
    async def create(number: int) -> None:
        request = CreateClientRequest(client=Client(phone_number=str(79160000000 + number)))
        with suppress(aio.AioRpcError):
            await api.clients.CreateClient(request, timeout=0.0002 * (number % 20))

    for begin in range(0, 300, 50):
        await asyncio.gather(*(create(begin + n) for n in range(50)))
    # The store still answers, and each client is there once or not at all.
    await api.add_client("79269999999")
    listed = await api.clients.ListClients(ListClientsRequest(page_size=1000), timeout=PATIENT_SECONDS)
    assert listed.total_size == len({client.phone_number for client in listed.clients})


async def test_a_deadline_ends_a_watch(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=mailing.id), timeout=0.1)

    async def to_its_end() -> None:
        while await stream.read() is not aio.EOF:
            pass

    assert (await refusal(to_its_end())).code is StatusCode.DEADLINE_EXCEEDED


async def test_a_cancelled_import_keeps_the_pages_before(api: Api) -> None:
    never = asyncio.Event()

    async def pages() -> AsyncIterator[ImportClientsRequest]:
        yield ImportClientsRequest(rows=[ImportClientsRow(phone_number="79161234567")])
        await never.wait()

    call = api.clients.ImportClients(pages())
    await api.control.clients_told.wait()
    call.cancel()
    assert (await api.clients.ListClients(ListClientsRequest())).total_size == 1


async def test_stopping_ends_the_streams_and_refuses_new_calls(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=mailing.id))
    await stream.read()
    await asyncio.wait_for(api.server.stop(2 * PATIENT_SECONDS), PATIENT_SECONDS)
    refused = await refusal(stream.read())
    assert (refused.code, refused.message) == (StatusCode.UNAVAILABLE, "the engine is stopping")
    late = api.engine.GetStatus(GetStatusRequest(), timeout=0.2)
    assert (await refusal(late)).code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


async def test_stopping_ends_an_export_and_an_import_between_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (await api.store.list_clients(*_first_page())).items
    stopping = api.server._stopping

    async def slow(*_: object) -> AsyncIterator[Any]:
        yield rows
        await stopping.wait()
        yield rows

    async def pages() -> AsyncIterator[ImportClientsRequest]:
        yield ImportClientsRequest(rows=[ImportClientsRow(phone_number="79161234567")])
        await stopping.wait()
        yield ImportClientsRequest(rows=[ImportClientsRow(phone_number="79161234568")])

    monkeypatch.setattr(api.store, "export_clients", slow)
    export = api.clients.ExportClients(ExportClientsRequest())
    await export.read()
    import_ = api.clients.ImportClients(pages())
    await api.control.clients_told.wait()
    stop = asyncio.create_task(api.server.stop(2 * PATIENT_SECONDS))
    for call in (export.read(), import_):
        refused = await refusal(call)
        assert (refused.code, refused.message) == (StatusCode.UNAVAILABLE, "the engine is stopping")
    await asyncio.wait_for(stop, PATIENT_SECONDS)


async def write_all(api: Api, pages: int) -> None:
    """Import page after page, the first of them too large, as a caller does that does not look up meanwhile."""
    row = ImportClientsRow(phone_number="79161234567", tag="t" * 60)
    call: Any = api.clients.ImportClients()
    for number in range(pages):
        await call.write(ImportClientsRequest(rows=[row] * (1000 if number else 10_001)))
    await call.done_writing()
    await call


async def test_who_is_refused_in_the_midst_of_writing_is_told_why(api: Api) -> None:
    refused = await refusal(write_all(api, 30))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"rows"})


_DRAINS = {"_DRAIN_SECONDS": b"", "_DRAIN_PAUSE_SECONDS": None, "_DRAIN_BYTES": b"\xff"}


@pytest.mark.parametrize(("name", "page"), _DRAINS.items())
async def test_what_a_refused_caller_goes_on_sending_is_read_in_bounds(
    api: Api, monkeypatch: pytest.MonkeyPatch, name: str, page: bytes | None
) -> None:
    """One that goes on for ever, one that waits, and one that sends too much."""
    for each in _DRAINS:
        monkeypatch.setattr(f"engine.api.interceptors.{each}", 0.05 if each == name else 1e9)

    async def pages() -> AsyncIterator[bytes]:
        yield ImportClientsRequest(rows=[ImportClientsRow()] * 10_001).SerializeToString()
        while page is not None:
            yield page
            await asyncio.sleep(0.001)
        await asyncio.Event().wait()

    call: Any = api.channel.stream_unary("/mailing.v1.ClientService/ImportClients")
    refused = await asyncio.wait_for(refusal(call(pages())), PATIENT_SECONDS)
    assert refused.code in (StatusCode.INVALID_ARGUMENT, StatusCode.INTERNAL)
    assert api.measured == [("ImportClients", "INVALID_ARGUMENT")]


# -- housekeeping ------------------------------------------------------------------------------


async def test_answers_to_requests_are_forgotten_after_a_week(store: Store) -> None:
    clock = FakeClock()

    async def create(number: int) -> bool:
        key = RequestKey(f"r{number}", "CreateClient", "x")
        client = ClientInput(79160000000 + number, "916", "", "UTC")
        return (await store.create_client(client, by=Actor(), now_us=clock.us, request=key)).replayed

    await create(1)
    clock.pass_seconds(KEEP_REQUESTS_SECONDS)
    await create(2)
    housekeeping = Housekeeping(store, clock, period_seconds=0.001)
    await housekeeping.stop()  # stopping what has not started is no error
    housekeeping.start()
    await asyncio.sleep(0.05)
    assert await create(1), "not older than a week"
    clock.pass_seconds(1)
    while await store.created_client(RequestKey("r1", "CreateClient", "x")) is not None:
        await asyncio.sleep(0.001)
    assert await create(2)
    await housekeeping.stop()


@pytest.mark.parametrize(
    ("error", "event"),
    [(StoreUnavailable("away"), "housekeeping.store_unavailable"), (RuntimeError("x"), "housekeeping.failed")],
)
async def test_housekeeping_outlives_its_failures(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, event: str
) -> None:
    calls = []

    async def broken(*_: object) -> int:
        calls.append(1)
        raise error

    monkeypatch.setattr(store, "forget_requests", broken)
    housekeeping = Housekeeping(store, FakeClock(), period_seconds=0)
    with capture_logs() as lines:
        housekeeping.start()
        while len(calls) < 3:
            await asyncio.sleep(0)
        await housekeeping.stop()
    assert {line["event"] for line in lines} == {event}


async def test_the_server_keeps_house(api: Api) -> None:
    tasks = api.server._housekeeping._tasks
    assert tasks
    assert not any(task.done() for task in tasks)
    await api.server.stop(0)
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("how", ["deleted", "in a batch", "another number"])
async def test_housekeeping_empties_the_log_soon_after_a_number_was_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    by, emptied, tries = Actor(), asyncio.Queue[bool](), itertools.cycle([False, True])
    given = ClientInput(79160000001, "916", "new", "UTC")
    made = (await store.create_client(given, by=by, now_us=START_US)).row

    async def forget_log() -> bool:
        emptied.put_nowait(answer := next(tries))
        return answer

    monkeypatch.setattr(store, "forget_log", forget_log)
    monkeypatch.setattr(housekeeping_module, "_LOG_REST_SECONDS", 0.0)
    housekeeping = Housekeeping(store, FakeClock(), log_seconds=0.0)
    housekeeping.start()
    assert [await emptied.get(), await emptied.get()] == [False, True]  # at the start, and until it has worked
    await store.update_client(made.id, lambda _: replace(given, tag="old"), by=by, now_us=START_US)
    await asyncio.sleep(0.02)
    assert emptied.empty()
    if how == "deleted":
        await store.delete_client(made.id, by=by, now_us=START_US)
    elif how == "in a batch":
        await store.delete_clients([made.id], by=by, now_us=START_US)
    else:
        await store.update_client(made.id, lambda _: replace(given, phone_number=79160000002), by=by, now_us=START_US)
    assert [await emptied.get(), await emptied.get()] == [False, True]
    await asyncio.sleep(0.02)
    assert emptied.empty()
    await housekeeping.stop()


# -- health ------------------------------------------------------------------------------------


async def test_health_follows_delivery(api: Api) -> None:
    stub: Any = health_pb2_grpc.HealthStub(api.channel)
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

    async def check(service: str) -> int:
        return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)

    assert [await check(service) for service in ("", "provider", "delivery")] == [serving] * 3
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="provider"))
    assert (await watch.read()).status == serving
    api.control.become(
        breaker=BreakerStatus(BreakerState.BLOCKED), actors=(ActorStatus("ticker", healthy=False, detail="it fell"),)
    )
    assert (await asyncio.wait_for(watch.read(), PATIENT_SECONDS)).status == not_serving
    assert [await check(service) for service in ("", "provider", "delivery")] == [serving, not_serving, not_serving]
    api.control.become(breaker=BreakerStatus())
    assert (await asyncio.wait_for(watch.read(), PATIENT_SECONDS)).status == serving
    watch.cancel()
    refused = await refusal(stub.Check(health_pb2.HealthCheckRequest(service="nonsense")))
    assert refused.code is StatusCode.NOT_FOUND


async def test_a_delivery_that_can_not_be_asked_is_not_well(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no status")

    watch: Any = health_pb2_grpc.HealthStub(api.channel)
    watch = watch.Watch(health_pb2.HealthCheckRequest(service="delivery"))
    states = health_pb2.HealthCheckResponse
    assert (await watch.read()).status == states.SERVING
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(api.control, "status", broken)
        assert (await asyncio.wait_for(watch.read(), PATIENT_SECONDS)).status == states.NOT_SERVING
    assert (await asyncio.wait_for(watch.read(), PATIENT_SECONDS)).status == states.SERVING
    assert lines[0]["event"] == "health.failed"
    watch.cancel()


# -- reflection --------------------------------------------------------------------------------


async def test_a_caller_without_stubs_can_call_by_reflection(api: Api) -> None:
    # The reflection client of grpc is a blocking one.
    client = await asyncio.to_thread(create_by_reflection, api.port)
    assert (client.phone_number, client.tag, client.time_zone) == ("79161234567", "x", "UTC")


def create_by_reflection(port: int) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
        channel = with_token(plain)
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) >= {
            *("mailing.v1.ClientService", "mailing.v1.MailingService", "mailing.v1.MessageService"),
            *("mailing.v1.EngineService", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"),
        }
        service = descriptor_pool.DescriptorPool(database).FindServiceByName("mailing.v1.ClientService")
        method = service.methods_by_name["CreateClient"]
        request = message_factory.GetMessageClass(method.input_type)()
        request.client.phone_number, request.client.tag = "79161234567", "x"  # type: ignore[attr-defined]
        call = channel.unary_unary(
            "/mailing.v1.ClientService/CreateClient",
            request_serializer=type(request).SerializeToString,
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        return call(request, timeout=PATIENT_SECONDS)


# -- listening ---------------------------------------------------------------------------------


async def test_an_address_that_is_taken_is_one_clear_line(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match=f"can't listen on {address}: it is in use"):
            await (server := ApiServer(store, FakeControl(), FakeClock())).start(address)
        await server.stop(1)  # stopping what has not started is no error


async def test_two_servers_do_not_share_a_port(store: Store) -> None:
    first, second = (ApiServer(store, FakeControl(), FakeClock()) for _ in range(2))
    port = await first.start("127.0.0.1:0")
    with pytest.raises(ListenError):
        await second.start(f"127.0.0.1:{port}")
    await first.stop(0)


class Authority:
    """Makes certificates for the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        ca = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.path = folder / "ca.pem"
        self.path.write_bytes(ca)

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for localhost, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert, key_path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert.write_bytes(
            self._sign(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName("localhost")]))
        )
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert, key_path

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        cert = builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())
        return cert.public_bytes(serialization.Encoding.PEM)


async def call_with(port: int, credentials: grpc.ChannelCredentials) -> int:
    async with aio.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = EngineServiceStub(with_token(channel))
        return (await stub.GetStatus(GetStatusRequest(), timeout=PATIENT_SECONDS)).engine_id


async def test_tls_with_and_without_a_client_certificate(store: Store, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    root = authority.path.read_bytes()
    plain = grpc.ssl_channel_credentials(root)
    mine, my_key = authority.issue("client")
    mutual = grpc.ssl_channel_credentials(root, my_key.read_bytes(), mine.read_bytes())
    server = ApiServer(store, FakeControl(), FakeClock(), tls=Tls(cert, key))
    assert await call_with(await server.start("localhost:0"), plain) == 7
    await server.stop(0)
    server = ApiServer(store, FakeControl(), FakeClock(), tls=Tls(cert, key, authority.path))
    port = await server.start("localhost:0")
    assert await call_with(port, mutual) == 7
    assert (await refusal(call_with(port, plain))).code is StatusCode.UNAVAILABLE
    await server.stop(0)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("nonsense")])
async def test_bad_tls_files_are_one_clear_line(store: Store, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    cert, key = Authority(tmp_path).issue("server")
    spoil(key)
    with pytest.raises(ListenError, match=r"can't (read|listen)") as caught:
        await ApiServer(store, FakeControl(), FakeClock(), tls=Tls(cert, key)).start("127.0.0.1:0")
    assert "\n" not in str(caught.value)
