"""The database fails under running engines: stopped, frozen, read-only, a standby, silent, cut off, full, locked; or
the file: locked, moved away, without room, on a machine whose power goes.

INVARIANT. Whatever the database does, and however long: no message is lost, all counters are right, only what was in
flight is called twice (as many as slots of an engine and event at most), engines end by themselves never and write 60
lines a minute at most, ``/readyz`` says so within 5 s, the API answers 503 with ``Retry-After`` (or does it), and
sending goes on within 5 s after the cause is gone. Engines that the fault does not reach do not stop for more than 3 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import asyncpg

from mailing.v1 import client_service_pb2, client_service_pb2_grpc
from tests.chaos.databases import CONNECTIONS, Postgres, Sqlite
from tests.chaos.disk import why_no_disk
from tests.chaos.probe import probing
from tests.chaos.readiness import note_unready
from tests.chaos.world import Plan, Shape, World

DATABASES = ("sqlite", "postgres")
Fault = Callable[[World, list[int]], AbstractAsyncContextManager[None]]
_NOTICED_SECONDS = 7.0
"""A fault that lasts so long must have been noticed."""


def shape(plan: Plan) -> Shape:
    """A way to the server that can be made a black hole, or a disk of our own for the file."""
    return Shape(proxied=True, on_disk=True)


async def act(here: World, events: int) -> None:
    """Each kind of fault in turn."""
    names = list(_faults(here))
    await suffer(here, [names[number % len(names)] for number in range(events)])


async def suffer(here: World, names: Sequence[str], *, until_noticed: bool = False) -> None:
    """These faults, one after another; ``until_noticed``: none ends before ``/readyz`` has said so, if it must."""
    here.report.counts_lines = True
    faults = _faults(here)
    async with probing(here.engines[0].target, await _a_client(here)) as probe:
        here.report.answers = probe.answers
        for name in names:
            await _fault(here, name, faults[name], until_noticed)
            await here.pause(0.5, 2)


def _faults(here: World) -> Mapping[str, Fault]:
    return POSTGRES_FAULTS if here.plan.database == "postgres" else _sqlite_faults(here)


async def _a_client(here: World) -> int:
    async with here.channel(0) as channel:
        stub = client_service_pb2_grpc.ClientServiceStub(channel)
        return int((await stub.ListClients(client_service_pb2.ListClientsRequest(page_size=1))).clients[0].id)


async def _fault(here: World, name: str, fault: Fault, until_noticed: bool) -> None:
    engines = [here.random.choice(here.numbers)] if name.endswith("of one") else list(here.numbers)
    seconds = here.random.uniform(1.0, min(12.0, here.plan.longest_seconds))
    if here.random.random() < 0.1:
        seconds = here.random.uniform(1.0, here.plan.longest_seconds)
    with here.event(name, engines, is_outage=True) as event:
        watcher = asyncio.create_task(note_unready(here.engines[engines[0]].metrics, event))
        try:
            async with fault(here, engines):
                await asyncio.sleep(seconds)
                if until_noticed and name in _MUST_BE_NOTICED:
                    await asyncio.wait((watcher,), timeout=_NOTICED_SECONDS + 2 * here.report.lag_seconds)
                    seconds = _NOTICED_SECONDS
                watcher.cancel()
                event.must_be_unready = seconds >= _NOTICED_SECONDS and name in _MUST_BE_NOTICED
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
    await here.all_back(event.ended)


# -- PostgreSQL ------------------------------------------------------------------------------------


def _server(here: World) -> Postgres:
    assert isinstance(here.database, Postgres)
    return here.database


@asynccontextmanager
async def _restarted(here: World, engines: list[int]) -> AsyncIterator[None]:
    await _server(here).stop(here.random.choice(["fast", "immediate"]))
    try:
        yield
    finally:
        await _server(here).start_again()


@asynccontextmanager
async def _frozen(here: World, engines: list[int]) -> AsyncIterator[None]:
    _server(here).freeze()
    try:
        yield
    finally:
        _server(here).thaw()


@asynccontextmanager
async def _read_only(here: World, engines: list[int]) -> AsyncIterator[None]:
    async with _server(here).connected() as connection:
        await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _standby(here: World, engines: list[int]) -> AsyncIterator[None]:
    """A failover: the address leads to a standby, which becomes the primary later."""
    server = _server(here)
    await server.stop("fast")
    (server.folder / "standby.signal").touch()
    await server.start_again()
    try:
        yield
    finally:
        await server.promote()


@asynccontextmanager
async def _black_hole(here: World, engines: list[int]) -> AsyncIterator[None]:
    for number in engines:
        here.proxies[number].swallow()
    try:
        yield
    finally:
        for number in engines:
            here.proxies[number].pass_on()


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'chaos-engine-%'"


@asynccontextmanager
async def _cut(here: World, engines: list[int]) -> AsyncIterator[None]:
    async with _server(here).connected() as connection:

        async def again_and_again() -> None:
            while True:
                await connection.execute(_CUT)
                await here.pause(0.05, 1.0)

        async with _beside(again_and_again):
            yield


@asynccontextmanager
async def _too_many(here: World, engines: list[int]) -> AsyncIterator[None]:
    """All connections are taken, and the engines' own are cut."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(_server(here).connected())

        async def take_all() -> None:
            for _ in range(CONNECTIONS):
                await stack.enter_async_context(_server(here).connected())

        async def again_and_again() -> None:
            while True:
                with suppress(asyncpg.PostgresError, OSError):
                    await take_all()
                await connection.execute(_CUT)
                await asyncio.sleep(0.05)

        async with _beside(again_and_again):
            yield


@asynccontextmanager
async def _locked(here: World, engines: list[int]) -> AsyncIterator[None]:
    async with here.database.locked():
        yield


@asynccontextmanager
async def _beside(work: Callable[[], object]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


POSTGRES_FAULTS: Mapping[str, Fault] = {
    "restarted": _restarted,
    "frozen": _frozen,
    "read-only": _read_only,
    "black hole of one": _black_hole,
    "connections cut": _cut,
    "standby": _standby,
    "black hole": _black_hole,
    "too many connections": _too_many,
    "locked": _locked,
}
_MUST_BE_NOTICED = frozenset(
    {"restarted", "frozen", "read-only", "black hole", "black hole of one", "standby", "too many connections", "moved",
     "disk full"}
)  # fmt: skip


# -- SQLite ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _moved(here: World, engines: list[int]) -> AsyncIterator[None]:
    """Somebody moves the file away, and back, and starts the engine again, which trusts it only then: what was written
    meanwhile must not be lost. Without its file it stops within its limit too."""
    assert isinstance(here.database, Sqlite)
    path = here.database.path
    away = path.with_name("moved-away.db")
    is_first_stopped = here.random.random() < 0.5
    path.rename(away)
    try:
        yield
        if is_first_stopped:
            await here.note_stop(0)
    finally:
        away.rename(path)
    if not is_first_stopped:
        await here.note_stop(0)
    here.report.events[-1].died = time.time()
    await here.start(0)


def _sqlite_faults(here: World) -> Mapping[str, Fault]:
    if (disk := here.disk) is None:
        here.report.more["not here"] = f"disk full, power cut: {why_no_disk()}"
        return {"locked": _locked, "moved": _moved}

    @asynccontextmanager
    async def full(here: World, engines: list[int]) -> AsyncIterator[None]:
        await asyncio.to_thread(disk.fill)
        try:
            yield
        finally:
            await asyncio.to_thread(disk.empty)

    @asynccontextmanager
    async def power(here: World, engines: list[int]) -> AsyncIterator[None]:
        """All at once: the disk takes nothing more, and the engine is dead. Then the machine starts again."""
        await asyncio.to_thread(disk.cut_power)
        await here.engines[0].kill()
        here.report.events[-1].died = time.time()
        await asyncio.to_thread(disk.mount_again)
        await here.start(0)
        yield

    return {"locked": _locked, "disk full": full, "power cut": power, "moved": _moved}
