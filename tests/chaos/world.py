"""What all campaigns share: engines, each with a provider of its own, one database, work that never ends, and a count.

Mailings are registered as fast as they are sent, so that every engine has work at any time: one that does nothing
is held up. At the end all are let finish, stopped, and everything is counted (``report.Report``).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from engine.store import Store
from mailing.v1 import (
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
)
from scripts.sandbox import Sandbox
from scripts.token_channel import with_token
from tests.chaos.databases import Database, Postgres, Sqlite
from tests.chaos.disk import Disk, why_no_disk
from tests.chaos.noting import PROGRAM, VARIABLE, noted
from tests.chaos.proxy import Proxy
from tests.chaos.report import RECOVERY_SECONDS, Event, Report
from tests.crash.processes import Engine

FIRST_PHONE = 79160000000
_CALL_SECONDS = 10.0
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
)
_FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
_STEP_SECONDS = 0.02
_END_SECONDS = 60.0
"""When nothing has been called for so much longer than a lease, nothing will."""
_HUNG_SECONDS = 10.0
"""After so much more than its limit a stop that hangs is helped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    folder: Path
    database: str = "postgres"
    events: int = 20
    engines: int = 3
    seed: int = 0
    lease_seconds: float = 10.0
    longest_seconds: float = 70.0
    """Of a freeze or an outage."""
    shutdown_seconds: float = 10.0
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a campaign needs of its world."""

    latency_seconds: tuple[float, float] = (0.05, 0.4)
    workers: int = 16
    clients: int = 500
    flags: tuple[str, ...] = ()
    proxied: bool = False
    """Engines reach PostgreSQL through a proxy each."""
    window: timedelta = timedelta(hours=5)
    """Mailings began so long ago, and end in so long a time."""
    environ: Callable[[int], dict[str, str]] = lambda number: {}
    on_disk: bool = False
    """SQLite's file is on a disk of our own, where one can be mounted."""
    feeds: bool = True
    """Mailings are registered as fast as they are sent; else that is the campaign's own business."""
    notes_calls: bool = False
    """Engines note when they begin a call."""
    queue: int = 32
    """Messages that an engine claims ahead; few, or one of them would have all the work."""


@dataclass
class World:
    """Everything that runs."""

    plan: Plan
    shape: Shape
    database: Database
    engines: list[Engine]
    report: Report
    random: random.Random
    proxies: list[Proxy] = field(default_factory=list)
    busy: set[int] = field(default_factory=set)
    """Engines that something is being done to, or that have not come back yet."""
    limits: dict[int, float] = field(default_factory=dict)
    """Of a stop, where it is not the default."""
    mailings: list[int] = field(default_factory=list)
    disk: Disk | None = None
    """Of SQLite's file, where one was asked for and can be mounted."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Of what ends when everything has been counted."""
    settled: list[Callable[[], Awaitable[bool]]] = field(default_factory=list)
    """Whether more than the messages is at its end; asked again and again before engines are stopped."""
    judges: list[Callable[[World], Awaitable[None]]] = field(default_factory=list)
    """Look into report and database when everything has been counted."""

    # -- engines -------------------------------------------------------------------------------
    @property
    def numbers(self) -> range:
        """All engines."""
        return range(len(self.engines))

    async def victim(self) -> int:
        """An engine that is well; with several, another one stays well."""
        spare = 1 if len(self.engines) > 1 else 0
        while len(well := [number for number in self.numbers if number not in self.busy]) <= spare:
            await asyncio.sleep(_STEP_SECONDS)
        number = self.random.choice(well)
        self.busy.add(number)
        return number

    @contextmanager
    def event(self, kind: str, engines: Iterable[int], **facts: Any) -> Iterator[Event]:
        """What happens inside is one event; it ends with it."""
        event = Event(kind, frozenset(engines), time.time(), **facts)
        self.report.events.append(event)
        number = len(self.report.events)
        try:
            yield event
        finally:
            event.ended = time.time()
            self.plan.tell(f"{number}: {kind} {sorted(event.engines)} {event.ended - event.began:.1f} s")

    async def start(self, number: int) -> None:
        """Start one, again and again: an engine that gives up at the start is noted once, and helped.

        With SQLite the file may still be locked for the moment in which the dead one's successor looks.
        """
        try:
            await self.engines[number].start()
        except RuntimeError as error:
            self.report.died.append(f"engine {number} did not start: {_last_words(str(error))}")
            await asyncio.sleep(1)
            await self.engines[number].start()

    async def back(self, number: int, since: float, limit_seconds: float = 3 * RECOVERY_SECONDS) -> None:
        """Wait until it has called the provider since then, or for the limit: the report will tell."""
        deadline = time.time() + limit_seconds
        while self.report.arrivals.first_after(number, since) is None and time.time() < deadline:
            await asyncio.sleep(_STEP_SECONDS)
        self.busy.discard(number)

    async def all_back(self, since: float) -> None:
        """Wait for all of them, and start those that have ended by themselves."""
        await self.revive()
        await asyncio.gather(*(self.back(number, since) for number in self.numbers))

    async def revive(self) -> None:
        """Start engines that have ended by themselves, which none should."""
        for number, engine in enumerate(self.engines):
            if not engine.is_running:
                self.report.died.append(f"engine {number}: {_last_words(engine.log.read_text())}")
                await self.start(number)

    async def stop(self, number: int) -> float:
        """SIGTERM; returns how long it took. One that hangs is killed after a long time."""
        began = time.monotonic()
        task = asyncio.create_task(self.engines[number].stop())
        done, _ = await asyncio.wait((task,), timeout=self.limit(number) + _HUNG_SECONDS)
        if not done:
            await self.engines[number].kill()
            await task
        return time.monotonic() - began

    async def note_stop(self, number: int) -> None:
        """SIGTERM within another fault; the report judges how long it took."""
        self.report.other_exits.append((self.limit(number), await self.stop(number)))

    def limit(self, number: int) -> float:
        """How long its stop may take: ``MAILING_SHUTDOWN_SECONDS``."""
        return self.limits.get(number, self.plan.shutdown_seconds)

    async def pause(self, shortest: float, longest: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.random.uniform(shortest, longest))

    # -- work ----------------------------------------------------------------------------------
    @asynccontextmanager
    async def channel(self, number: int | None = None) -> AsyncIterator[Any]:
        """To the API of one engine, or of any that is well."""
        if number is None:
            well = [each for each in self.numbers if each not in self.busy] or list(self.numbers)
            number = self.random.choice(well)
        async with grpc.aio.insecure_channel(self.engines[number].target) as plain:
            yield with_token(plain)

    async def call(self, ask: Callable[[Any], Any]) -> Any:
        """A call of the API that is made again until it is answered, by whichever engine; so ``ask`` must bear that."""
        while True:
            try:
                async with asyncio.timeout(_CALL_SECONDS), self.channel() as channel:
                    return await ask(channel)
            except TimeoutError:
                pass
            except grpc.aio.AioRpcError as error:
                self._look_at(error)
            await asyncio.sleep(0.1)

    def _look_at(self, error: grpc.aio.AioRpcError) -> None:
        """An engine that is away is asked again; one that says that it has a fault, too, and that is noted."""
        if error.code() in _FAULTS:
            self.report.broken.append(f"the API said {error.code().name}: {error.details()}")
        elif error.code() not in _AWAY:
            raise error

    def request_id(self) -> str:
        """A new one."""
        return f"{self.random.getrandbits(128):032x}"

    async def add_clients(self, count: int, first: int = 0, tag: str = "") -> None:
        """Import so many with consecutive numbers."""
        rows = [
            client_service_pb2.ImportClientsRow(phone_number=str(FIRST_PHONE + number), tag=tag)
            for number in range(first, first + count)
        ]

        def pages() -> Iterator[client_service_pb2.ImportClientsRequest]:
            for begin in range(0, count, 1000):
                yield client_service_pb2.ImportClientsRequest(rows=rows[begin : begin + 1000])

        await self.call(lambda channel: client_service_pb2_grpc.ClientServiceStub(channel).ImportClients(pages()))

    async def register(self, text: str = "hello", tag: str = "") -> int:
        """A mailing for all clients, or those with the tag; returns its id."""
        now = datetime.now(UTC)
        mailing = mailing_pb2.Mailing(text=text, on_uncertain=mailing_pb2.ON_UNCERTAIN_RESEND)
        if tag:
            mailing.filter.tags.append(tag)
        mailing.start_time.FromDatetime(now - self.shape.window)
        mailing.end_time.FromDatetime(now + self.shape.window)
        # The same id whenever it is asked again: the first answer may have been lost on its way.
        request = mailing_service_pb2.CreateMailingRequest(mailing=mailing, request_id=self.request_id())
        made = await self.call(
            lambda channel: mailing_service_pb2_grpc.MailingServiceStub(channel).CreateMailing(request)
        )
        self.mailings.append(made.id)
        return int(made.id)

    @property
    def pending(self) -> int:
        """Messages that no provider has seen yet."""
        return self.report.registered - len(self.report.arrivals.ids)

    async def _feed(self) -> None:
        """Keep enough work for all engines."""
        while True:
            if self.pending < 2 * self.shape.clients:
                await self.register()
                self.report.registered += self.shape.clients
            await asyncio.sleep(_STEP_SECONDS)

    async def _watch(self) -> None:
        """Note when there is too little work for all."""
        enough = (2 * self.shape.queue + self.shape.workers) * len(self.engines)
        while True:
            before = time.time()
            await asyncio.sleep(_STEP_SECONDS)
            self.report.lag_seconds = max(self.report.lag_seconds, time.time() - before - _STEP_SECONDS)
            if self.pending < enough:
                self.report.dry.append((before, time.time()))

    # -- the end -------------------------------------------------------------------------------
    async def finish(self) -> None:
        """Let everything end, stop all, and count."""
        report = self.report
        called, deadline = -1, 0.0
        while not await self.is_done():
            if called != (called := len(report.arrivals.calls)):
                deadline = time.time() + self.plan.lease_seconds + _END_SECONDS
            elif time.time() > deadline:
                break
            await self.revive()
            await asyncio.sleep(0.2)
        report.ended = time.time()
        for number in self.numbers:
            await self.note_stop(number)
            report.begun += noted(_calls(self.plan, number), number)
        report.rows = await self.database.rows()
        report.deadlocks = self.database.deadlocks()
        report.checks += await _recount(self.database.url(0))
        for judge in self.judges:
            await judge(self)
        report.lines = {number: _line_times(self.engines[number].log) for number in self.numbers}

    async def is_done(self) -> bool:
        """Whether nothing is pending or claimed any more, by the counters and by the rows that delivery looks for."""
        if self.shape.feeds and self.pending > 0:
            return False
        if await self.call(self.open_messages):
            return False
        return all([await each() for each in self.settled])

    async def open_messages(self, channel: Any) -> int:
        """Messages that are pending, by the counters of all mailings; an audience that is being built counts as one."""
        stub, pending = mailing_service_pb2_grpc.MailingServiceStub(channel), 0
        for mailing_id in self.mailings:
            try:
                mailing = await stub.GetMailing(mailing_service_pb2.GetMailingRequest(mailing_id=mailing_id))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    continue
                raise
            building = mailing.audience_state != mailing_pb2.AUDIENCE_STATE_READY
            if mailing.state in (mailing_pb2.MAILING_STATE_ACTIVE, mailing_pb2.MAILING_STATE_SCHEDULED):
                pending += mailing.message_counts.pending + building
            else:
                pending += mailing.message_counts.pending
        return pending


@asynccontextmanager
async def world(plan: Plan, shape: Shape) -> AsyncIterator[World]:
    """Start everything; when the block ends, let it finish, and count."""
    async with AsyncExitStack() as stack:
        report = Report(shape.workers, shape.latency_seconds[1])
        disk = None
        if shape.on_disk and plan.database == "sqlite" and not why_no_disk():
            disk = await stack.enter_async_context(Disk.mounted(plan.folder / "disk"))
        file = Sqlite(disk.folder if disk else plan.folder)
        database: Database = file if plan.database == "sqlite" else await Postgres.start()
        stack.push_async_callback(database.close)
        here = World(plan, shape, database, [], report, random.Random(plan.seed), disk=disk, stack=stack)
        stack.push_async_callback(_kill_all, here)
        await _make_engines(here, stack)
        await here.add_clients(shape.clients)
        report.engines, report.began = len(here.engines), time.time()
        helpers = [asyncio.create_task(here._watch())]
        if shape.feeds:
            helpers.append(asyncio.create_task(here._feed()))
        stack.push_async_callback(_end, helpers)
        await here.all_back(0) if shape.feeds else None
        report.began = time.time()
        yield here
        report.quiet = time.time()
        await _end(helpers)
        await here.finish()


async def _make_engines(here: World, stack: AsyncExitStack) -> None:
    plan, shape, database = here.plan, here.shape, here.database
    for number in range(1 if plan.database == "sqlite" else plan.engines):
        ledger = here.report.arrivals.ledger(number)
        sandbox = await stack.enter_async_context(await Sandbox.start(ledger=ledger))
        sandbox.set_faults(latency_seconds=list(shape.latency_seconds))
        if shape.proxied and isinstance(database, Postgres):
            proxy = Proxy(database.socket_path)
            await proxy.start()
            stack.push_async_callback(proxy.close)
            here.proxies.append(proxy)
            database.ports[number] = proxy.port
        flags = [
            *("--queue-size", str(shape.queue), "--lease-seconds", str(plan.lease_seconds)),
            *("--shutdown-seconds", str(plan.shutdown_seconds), *shape.flags),
        ]
        engine = Engine(
            plan.folder,
            sandbox.url,
            shape.workers,
            name=f"engine-{number}",
            database_url=database.url(number),
            flags=flags,
            environ=shape.environ(number) | {VARIABLE: str(_calls(plan, number))},
            program=PROGRAM if shape.notes_calls else ("-m", "engine"),
        )
        here.engines.append(engine)
    # The first one makes the tables; the others come together.
    await here.engines[0].start()
    await asyncio.gather(*(engine.start() for engine in here.engines[1:]))
    for engine in here.engines:
        engine.grpc_listen = engine.target


def _calls(plan: Plan, number: int) -> Path:
    return plan.folder / f"calls-{number}"


async def _recount(url: str) -> list[str]:
    """What ``python -m engine check`` does, without the seconds that a process takes to start."""
    store = await Store.open(url)
    try:
        return [str(difference) for difference in await store.check()]
    finally:
        await store.close()


async def _kill_all(here: World) -> None:
    for engine in here.engines:
        if engine.is_running:
            await engine.kill()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def _last_words(log: str) -> str:
    return (log.strip().splitlines() or ["nothing"])[-1][-300:]


def _line_times(log: Path) -> list[float]:
    """When each line was written; one without a time (of a traceback) with the line before it."""
    times = [0.0]
    for line in log.read_bytes().splitlines():
        try:
            times.append(datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp())
        except (ValueError, KeyError, TypeError):
            times.append(times[-1])
    return times[1:]
