"""A real gRPC server on a free port, over a real SQLite store; only delivery and time are not real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from engine.access.authority import Authority
from engine.access.secrets import digest
from engine.api.server import ApiServer
from engine.domain.message import Event
from engine.ports import Claim, Record
from engine.store.database import Tx
from engine.store.migrate import migrate
from engine.store.opening import open_database
from engine.store.store import Store
from mailing.v1 import client_pb2, client_service_pb2, mailing_pb2, mailing_service_pb2
from mailing.v1.access_service_pb2_grpc import AccessServiceStub
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.engine_service_pb2_grpc import EngineServiceStub
from mailing.v1.mailing_service_pb2_grpc import MailingServiceStub
from mailing.v1.message_service_pb2_grpc import MessageServiceStub
from scripts.token_channel import API_TOKEN, with_token
from tests.api.fakes import SECOND_US, START_US, FakeClock, FakeControl, cheap_passwords
from tests.databases import migrated

D = TypeVar("D", bound=Message)

_ANSWERS = {
    Event.ACCEPT: (200, "", 0),
    Event.REJECT: (400, "bad number", 0),
    Event.DEFER: (503, "busy", START_US + 30 * SECOND_US),
}
"""Status, detail and time of the next attempt by what happens."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refused call has told."""

    code: StatusCode
    message: str
    details: tuple[Message, ...]
    raw: str
    """Everything that went over the wire, for searching in it."""

    @property
    def fields(self) -> dict[str, str]:
        """Bad fields, each with why."""
        return {
            violation.field: violation.description
            for detail in self.details
            if isinstance(detail, error_details_pb2.BadRequest)
            for violation in detail.field_violations
        }

    @property
    def bad(self) -> set[str]:
        """The bad fields."""
        return set(self.fields)

    @property
    def reason(self) -> str:
        return str(self.detail(error_details_pb2.ErrorInfo).reason)

    def detail(self, kind: type[D]) -> D:
        return next(detail for detail in self.details if isinstance(detail, kind))


_DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.ResourceInfo,
    error_details_pb2.RetryInfo,
)


async def refusal(call: Awaitable[object]) -> Refusal:
    """Await a call that must be refused."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)


def refusal_of(error: aio.AioRpcError) -> Refusal:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    details = []
    for packed in status.details if status is not None else ():
        for kind in _DETAILS:
            unpacked = kind()
            if packed.Unpack(unpacked):
                details.append(unpacked)
    return Refusal(error.code(), error.details() or "", tuple(details), repr(error))


@dataclass
class Api:
    """The server, and a client for each service."""

    store: Store
    control: FakeControl
    clock: FakeClock
    server: ApiServer
    port: int
    channel: aio.Channel
    measured: list[tuple[str, str]]
    plain_channel: aio.Channel
    """Without a token of its own."""

    def __post_init__(self) -> None:
        self.clients = ClientServiceStub(self.channel)
        self.mailings = MailingServiceStub(self.channel)
        self.messages = MessageServiceStub(self.channel)
        self.engine = EngineServiceStub(self.channel)
        self.access = AccessServiceStub(self.channel)
        self.plain_access = AccessServiceStub(self.plain_channel)

    async def add_client(self, phone_number: str, **fields: str) -> client_pb2.Client:
        return await self.clients.CreateClient(
            client_service_pb2.CreateClientRequest(client=client_pb2.Client(phone_number=phone_number, **fields))  # type: ignore[arg-type]
        )

    async def add_clients(self, number: int, first: int = 0) -> None:
        """Clients 79160000000 + first and on, tags a and b in turn."""
        rows = [
            client_service_pb2.ImportClientsRow(phone_number=str(79160000000 + n), tag="ab"[n % 2])
            for n in range(first, first + number)
        ]
        await self.clients.ImportClients(iter([client_service_pb2.ImportClientsRequest(rows=rows)]))

    def a_mailing(self, **fields: object) -> mailing_pb2.Mailing:
        """A good mailing: it has begun and lasts for an hour."""
        mailing = mailing_pb2.Mailing(**{"text": "hello", **fields})  # type: ignore[arg-type]
        if not mailing.HasField("start_time"):
            mailing.start_time.FromMicroseconds(self.clock.us - SECOND_US)
        if not mailing.HasField("end_time"):
            mailing.end_time.FromMicroseconds(self.clock.us + 3600 * SECOND_US)
        return mailing

    async def add_mailing(self, **fields: object) -> mailing_pb2.Mailing:
        """Register a mailing, and make its messages."""
        request = mailing_service_pb2.CreateMailingRequest(mailing=self.a_mailing(**fields))
        mailing = await self.mailings.CreateMailing(request)
        await self.build(mailing.id)
        return mailing

    async def deliver(self, mailing_id: int, number: int, event: Event = Event.ACCEPT) -> list[Claim]:
        """Call the provider for ``number`` messages, as an engine would."""
        now_us = self.clock.us
        owner = await self.store.register_engine("test", 1, now_us, now_us)
        claims = await self.store.claim(
            mailing_id, number, owner=owner, now_us=now_us, lease_until_us=now_us + 60 * SECOND_US
        )
        status, detail, due_us = _ANSWERS[event]
        records = [
            Record(
                *(each.message_id, mailing_id, each.client_id, each.attempt, event),
                *(now_us - 50_000, now_us, status, detail, due_us),
            )
            for each in claims
        ]
        assert await self.store.record(records, owner=owner, now_us=now_us) == number
        return claims

    async def build(self, mailing_id: int) -> None:
        while not await self.store.build_audience(mailing_id, 1000, self.clock.us, self.clock.us):
            pass


async def _add_token(tx: Tx) -> int:
    """The token of every call of ``Api``: straight into the table, so that the audit list is empty."""
    return await tx.run(
        "INSERT INTO api_token (name, role, secret_hash, hint, created_by, create_us) VALUES (?, 3, ?, '', '', 0)",
        *("tester", digest(API_TOKEN)),
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    database = await open_database(migrated(tmp_path / "mailing.db"))
    try:
        await migrate(database)
        await database.transaction(_add_token)
        yield Store(database)
    finally:
        await database.close()


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    control, clock = FakeControl(), FakeClock()
    measured: list[tuple[str, str]] = []
    server = ApiServer(
        store,
        control,
        clock,
        authority=Authority(store, clock, passwords=cheap_passwords(), monotonic=lambda: clock.us / SECOND_US),
        measure=lambda method, code, _seconds: measured.append((method.rpartition("/")[2], code)),
        watch_period_seconds=0.01,
    )
    port = await server.start("127.0.0.1:0")
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Api(store, control, clock, server, port, with_token(channel), measured, channel)
    await server.stop(0)
