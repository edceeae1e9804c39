"""The whole engine with a sandbox as its provider, in this process: real gRPC, real HTTP, a real file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from argon2.profiles import CHEAPEST
from grpc import aio

from engine.access import passwords
from engine.service import Service
from engine.settings import load
from mailing.v1 import (
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    engine_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    message_pb2,
    message_service_pb2,
    message_service_pb2_grpc,
)
from scripts.sandbox import Sandbox
from scripts.token_channel import API_TOKEN, with_token
from tests.databases import migrated
from tests.patience import PATIENT_SECONDS
from tests.ports import held_port

# Retries and ticks fit for a test; what a test is about, it sets itself.
QUICK: dict[str, Any] = {
    "retry_base_seconds": 0.05,
    "retry_max_seconds": 0.4,
    "workers": 32,
    "grpc_listen": "127.0.0.1:0",
    "metrics_listen": "127.0.0.1:0",
    "shutdown_seconds": 4,
    "admin_password": "correct horse battery",
    "api_token": API_TOKEN,
}

_PAUSE_SECONDS = 0.005
_PAUSE_SECONDS_MAX = 0.05


@dataclass
class Rig:
    """One engine, its sandbox, and stubs for its API."""

    sandbox: Sandbox
    service: Service
    channel: aio.Channel

    def __post_init__(self) -> None:
        channel = with_token(self.channel)
        self.clients = client_service_pb2_grpc.ClientServiceStub(channel)
        self.mailings = mailing_service_pb2_grpc.MailingServiceStub(channel)
        self.messages = message_service_pb2_grpc.MessageServiceStub(channel)
        self.engine = engine_service_pb2_grpc.EngineServiceStub(channel)

    async def add_clients(self, count: int, first: int = 0, **fields: Any) -> None:
        """Import ``count`` clients with consecutive numbers from 79160000000 + first; fields are for all of them."""

        async def pages() -> AsyncIterator[client_service_pb2.ImportClientsRequest]:
            for start in range(first, first + count, 1000):
                rows = [
                    client_service_pb2.ImportClientsRow(phone_number=str(79160000000 + number), **fields)
                    for number in range(start, min(start + 1000, first + count))
                ]
                yield client_service_pb2.ImportClientsRequest(rows=rows)

        await self.clients.ImportClients(pages())

    async def add_client(self, number: int = 0, **fields: Any) -> client_pb2.Client:
        """Add one client with the number 79160000000 + number."""
        client = client_pb2.Client(phone_number=str(79160000000 + number), **fields)
        return await self.clients.CreateClient(client_service_pb2.CreateClientRequest(client=client))

    async def register(
        self, *, start_seconds: float = -1.0, end_seconds: float = 600.0, text: str = "hello", **fields: Any
    ) -> mailing_pb2.Mailing:
        """Register a mailing from ``start_seconds`` to ``end_seconds`` from now."""
        mailing = mailing_pb2.Mailing(text=text, **fields)
        now = datetime.now(UTC)
        mailing.start_time.FromDatetime(now + timedelta(seconds=start_seconds))
        mailing.end_time.FromDatetime(now + timedelta(seconds=end_seconds))
        return await self.mailings.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=mailing))

    async def get(self, mailing_id: int) -> mailing_pb2.Mailing:
        """The mailing as it is now."""
        return await self.mailings.GetMailing(mailing_service_pb2.GetMailingRequest(mailing_id=mailing_id))

    async def counts(self, mailing_id: int) -> tuple[int, int, int]:
        """(pending, sent, not sent) of a mailing; checks rule 13 on the way."""
        counts = (await self.get(mailing_id)).message_counts
        assert counts.total == counts.pending + counts.sent + counts.not_sent
        return counts.pending, counts.sent, counts.not_sent

    async def list_messages(self, mailing_id: int) -> list[message_pb2.Message]:
        """The first 1,000 messages of a mailing."""
        request = message_service_pb2.ListMessagesRequest(mailing_id=mailing_id, page_size=1000)
        return list((await self.messages.ListMessages(request)).messages)

    async def finished(self, mailing_id: int, seconds: float = PATIENT_SECONDS) -> tuple[int, int, int]:
        """Wait until nothing of the mailing is pending and its audience is complete; return ``counts``."""

        async def done() -> bool:
            mailing = await self.get(mailing_id)
            ready = mailing.audience_state == mailing_pb2.AUDIENCE_STATE_READY
            return ready and mailing.message_counts.pending == 0

        await until(done, seconds)
        return await self.counts(mailing_id)


async def until(reached: Callable[[], Any], seconds: float = PATIENT_SECONDS) -> None:
    """Wait until ``reached()`` (awaited if need be) is true; an assertion error after ``seconds``.

    What is awaited is a call to the engine, in this process, and asked for all the time it took a third of the
    processor. So it is asked again after a tenth of the time that it has taken so far."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds):
        while True:
            answer, pause_seconds = reached(), _PAUSE_SECONDS
            if asyncio.iscoroutine(answer):
                answer = await answer
                pause_seconds = min(max(pause_seconds, (loop.time() - began) / 10), _PAUSE_SECONDS_MAX)
            if answer:
                return
            await asyncio.sleep(pause_seconds)


@asynccontextmanager
async def running(folder: Path, sandbox: Sandbox | None = None, **settings: Any) -> AsyncIterator[Rig]:
    """Start a sandbox (unless given) and an engine on ``folder``; stop both in the end. Its passwords are hashed with
    next to no work: at each start the real thing takes 0.2 s of the processor."""
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(await Sandbox.start(stack.enter_context(held_port())))
        stack.enter_context(patch.object(passwords, "PARAMETERS", CHEAPEST))
        provider = sandbox or own
        flags = {
            "database_url": migrated(folder / "mailing.db"),
            "provider_url": provider.url,
            "fbrq_token": provider.token,
            **QUICK,
            **settings,
        }
        service = Service(load(flags, {}, None))
        try:
            await service.start()
            async with aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
                yield Rig(provider, service, channel)
        finally:
            await service.stop()
