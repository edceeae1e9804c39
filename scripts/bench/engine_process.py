"""An engine of its own for a bench: a process with a SQLite file in a folder that goes away, and stubs for its API."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from grpc import aio

from mailing.v1 import (
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    message_service_pb2_grpc,
)
from scripts.bench.results import on_cores
from scripts.token_channel import API_TOKEN, with_token

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST_PHONE: Final = 79000000000
TEXT: Final = "Hello, this is a text of about fifty characters."
_PAGE: Final = 2_000
_START_SECONDS: Final = 30.0
_NOT_HANDED_ON: Final = ("MAILING_", "FBRQ_", "PYTHONDONTWRITEBYTECODE")
"""An installed engine has its bytecode: pip compiles what it installs, ``scripts/run`` lets the first start do it. To
compile everything at each start takes longer than the start."""


class Api:
    """The engine's API, in the words of the benches."""

    def __init__(self, channel: aio.Channel, process: asyncio.subprocess.Process) -> None:
        self.channel, self.process = channel, process
        self.clients = client_service_pb2_grpc.ClientServiceStub(channel)
        self.mailings = mailing_service_pb2_grpc.MailingServiceStub(channel)
        self.messages = message_service_pb2_grpc.MessageServiceStub(channel)

    async def add_clients(self, count: int, first: int = 0, tag: str = "") -> float:
        """Import clients with consecutive numbers; returns the seconds that took."""

        async def pages() -> AsyncIterator[client_service_pb2.ImportClientsRequest]:
            for start in range(first, first + count, _PAGE):
                rows = [
                    client_service_pb2.ImportClientsRow(phone_number=str(FIRST_PHONE + number), tag=tag)
                    for number in range(start, min(start + _PAGE, first + count))
                ]
                yield client_service_pb2.ImportClientsRequest(rows=rows)

        began = time.perf_counter()
        answer = await self.clients.ImportClients(pages())
        if answer.created != count:
            raise SystemExit(f"{answer.created} of {count} clients were imported: {answer.errors[:3]}")
        return time.perf_counter() - began

    async def register(
        self, tag: str | None = None, *, text: str = TEXT, start: datetime | None = None
    ) -> mailing_pb2.Mailing:
        """Register a mailing that starts at once or then, for everyone or for one tag."""
        mailing = mailing_pb2.Mailing(text=text)
        if tag is not None:
            mailing.filter.tags.append(tag)
        mailing.start_time.FromDatetime(start or datetime.now(UTC))
        mailing.end_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        return await self.mailings.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=mailing))

    async def wait(
        self, mailing_id: int, reached: Callable[[mailing_pb2.Mailing], bool], poll_seconds: float = 0.01
    ) -> mailing_pb2.Mailing:
        """Ask for the mailing until ``reached``; returns it as it then is."""
        while True:
            mailing = await self.get(mailing_id)
            if reached(mailing):
                return mailing
            await asyncio.sleep(poll_seconds)

    async def get(self, mailing_id: int) -> mailing_pb2.Mailing:
        """The mailing as it is now."""
        return await self.mailings.GetMailing(mailing_service_pb2.GetMailingRequest(mailing_id=mailing_id))


@asynccontextmanager
async def engine(provider_url: str, *flags: str, cores: frozenset[int] | None = None) -> AsyncIterator[Api]:
    """Start an engine that sends to ``provider_url``, with more flags as given; stop it in the end. Its database is a
    new SQLite file, if no flag says otherwise. ``cores``: it runs on these only.

    Raises:
        RuntimeError: it did not start; the text is the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "engine.log")
        database = ["--database-url", f"sqlite://{folder}/mailing.db"]
        with on_cores(cores or frozenset(os.sched_getaffinity(0))):
            process = await _start(log, database, provider_url, flags)
        try:
            async with aio.insecure_channel(await _target(process, log)) as channel:
                yield Api(with_token(channel), process)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _start(
    log: Path, database: list[str], provider_url: str, flags: tuple[str, ...]
) -> asyncio.subprocess.Process:
    listens = ["--grpc-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", *database, *listens, "--provider-url", provider_url, *flags),
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env={
                **kept,
                "FBRQ_TOKEN": "x",
                "MAILING_API_TOKEN": API_TOKEN,
                "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "proto"))),
            },
        )


async def _target(process: asyncio.subprocess.Process, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        if (target := _announced(log)) is not None:
            return target
        await asyncio.sleep(0.02)
    raise RuntimeError(f"the engine did not start; see its output:\n{_tail(log)}")


def _announced(log: Path) -> str | None:
    for line in log.read_bytes().splitlines():
        if b'"engine.started"' in line:
            return str(json.loads(line)["grpc"])
    return None


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]
