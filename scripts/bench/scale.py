"""Several engines on one PostgreSQL, and what one PostgreSQL carries (docs/performance.md).

    python scripts/bench/scale.py
    python scripts/bench/scale.py --messages 2000 --engines 1 2 --stored 5000 --processes 1

First 1, 2 and 4 engines with few workers each share a mailing whose provider takes 50 ms: workers are what limits them,
so the sum should grow with their number. Then nobody calls a provider: processes claim messages and store that they
were sent, each from a mailing of its own, as fast as the database lets them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.store.rows import Actor
from engine.store.store import Store
from scripts.bench import results
from scripts.bench.engine_process import FIRST_PHONE, TEXT, Api, engine
from scripts.bench.http_client import mock_provider
from scripts.bench.postgres_process import Postgres, postgres
from scripts.bench.service_process import cpu_seconds
from scripts.bench.store_work import work
from scripts.processes import hear_signals

_POLL_SECONDS: Final = 0.02
_CHUNK: Final = 5_000
_HOUR_US: Final = 3_600_000_000
_US: Final = 1e6
_KEPT: Final = "SELECT pg_total_relation_size('message')"
_LOGGED: Final = "SELECT pg_current_wal_lsn() - '0/0'"
_READY_SECONDS: Final = 10.0
"""All processes have read their modules and opened their stores by then."""
_SETTLED_SECONDS: Final = 5.0
"""An engine that came later has its part of everything by then."""


class Shared(NamedTuple):
    """What so many engines have sent together."""

    engines: int
    per_second: float
    engines_us: float
    """Of the processors a message, all engines together."""
    database_us: float


class Carried(NamedTuple):
    """What so many processes have claimed and stored together."""

    processes: int
    per_second: float
    processes_us: float
    database_us: float
    bytes_kept: float
    """Of the disk a message, indexes and what a vacuum would make free included."""
    bytes_logged: float
    """Of the write-ahead log a message, claims and outcomes; the rows were made before."""


async def shared(server: Postgres, engines: int, arguments: argparse.Namespace) -> Shared:
    """Some engines send one mailing."""
    url = await server.make("scale")
    flags = ["--workers", str(arguments.workers), "--database-url", url]
    with mock_provider(arguments.latency_seconds) as provider:
        async with AsyncExitStack() as stack:
            apis = [await stack.enter_async_context(engine(provider, *flags)) for _ in range(engines)]
            count = arguments.messages * engines
            await apis[0].add_clients(count)
            await asyncio.sleep(_SETTLED_SECONDS)
            pids = [api.process.pid for api in apis]
            before, database_before = sum(map(cpu_seconds, pids)), cpu_seconds(server.pid)
            seconds = await _sent_seconds(apis[0], count)
            own, database = sum(map(cpu_seconds, pids)) - before, cpu_seconds(server.pid) - database_before
    return Shared(engines, count / seconds, own / count * _US, database / count * _US)


async def _sent_seconds(api: Api, count: int) -> float:
    """From the first message of a mailing for all to the last."""
    mailing = await api.register()
    await api.wait(mailing.id, lambda now: now.message_counts.sent > 0, _POLL_SECONDS)
    began, first = time.perf_counter(), (await api.get(mailing.id)).message_counts.sent
    await api.wait(mailing.id, lambda now: now.message_counts.sent == count, _POLL_SECONDS)
    return (time.perf_counter() - began) * count / (count - first)


class Part(NamedTuple):
    """What one process has done, by the clock of all."""

    messages: int
    began: float
    ended: float
    cpu_seconds: float


def _carry(url: str, mailing_id: int, messages: int, begin: float) -> Part:
    """In a process of its own: wait until it is time, then claim and store."""
    return asyncio.run(_work_from(url, mailing_id, messages, begin))


async def _work_from(url: str, mailing_id: int, messages: int, begin: float) -> Part:
    store = await Store.open(url)
    try:
        await asyncio.sleep(max(0.0, begin - time.time()))
        began, cpu_began = time.time(), time.process_time()
        done = await work(store, mailing_id, messages)
        return Part(done.messages, began, time.time(), time.process_time() - cpu_began)
    finally:
        await store.close()


async def carried(server: Postgres, processes: int, arguments: argparse.Namespace) -> Carried:
    """Some processes claim and store, each from a mailing of its own."""
    url = await server.make("carried")
    mailings = await _fill(url, processes, arguments.stored)
    loop, begin, before = asyncio.get_running_loop(), time.time() + _READY_SECONDS, cpu_seconds(server.pid)
    logged = await _asked(url, _LOGGED)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        each = [loop.run_in_executor(pool, _carry, url, mailing, arguments.stored, begin) for mailing in mailings]
        parts = await asyncio.gather(*each)
    seconds = max(part.ended for part in parts) - min(part.began for part in parts)
    count = sum(part.messages for part in parts)
    own, database = sum(part.cpu_seconds for part in parts), cpu_seconds(server.pid) - before
    kept, logged = await _asked(url, _KEPT), await _asked(url, _LOGGED) - logged
    by_message = (own * _US, database * _US, kept, logged)
    return Carried(processes, count / seconds, *(number / count for number in by_message))


async def _asked(url: str, sql: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


async def _fill(url: str, mailings: int, clients: int) -> list[int]:
    """Clients, and mailings for all of them; returns the ids of these."""
    store, now_us = await Store.open(url), time.time_ns() // 1_000
    try:
        for first in range(0, clients, _CHUNK):
            numbers = range(first, min(first + _CHUNK, clients))
            rows = [ClientInput(FIRST_PHONE + number, "900", "", "Europe/Moscow") for number in numbers]
            await store.import_clients(rows, by=Actor("bench"), now_us=now_us)
        asked = MailingInput(TEXT, AudienceFilter(), now_us, now_us + _HOUR_US, None, None, "resend")
        made = [(await store.create_mailing(asked, by=Actor("bench"), now_us=now_us)).row.id for _ in range(mailings)]
        for mailing_id in made:
            while not await store.build_audience(mailing_id, _CHUNK, now_us, now_us):
                pass
        return made
    finally:
        await store.close()


def tables(together: Sequence[Shared], stored: Sequence[Carried]) -> list[results.Table]:
    """Both, the first row of each being what the others are measured by."""
    found = []
    if together:
        one = together[0].per_second / together[0].engines
        rows: list[Sequence[results.Cell]] = [
            (str(each.engines), each.per_second, each.per_second / (one * each.engines), *each[2:]) for each in together
        ]
        columns = ("engines", "messages/s", "of linear", "engines us a message", "database us a message")
        found.append(results.Table("Engines with few workers on one PostgreSQL", columns, rows))
    if stored:
        first = stored[0].per_second
        rows = [(str(each.processes), each.per_second, each.per_second / first, *each[2:]) for each in stored]
        by_message = ("process us", "database us", "bytes kept", "bytes of WAL")
        title = "Claims and outcomes on one PostgreSQL, without calls, by the message"
        found.append(results.Table(title, ("processes", "messages/s", "of one", *by_message), rows))
    return found


async def run(server: Postgres, arguments: argparse.Namespace) -> list[results.Table]:
    """Measure both."""
    together = [await shared(server, engines, arguments) for engines in arguments.engines]
    stored = [await carried(server, processes, arguments) for processes in arguments.processes]
    return tables(together, stored)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--workers", type=int, default=50, help="of each engine (50)")
    parser.add_argument("--latency-seconds", type=float, default=0.05, help="of the provider (0.05)")
    parser.add_argument("--messages", type=int, default=20_000, help="for each engine (20000)")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4], help="that claim and store")
    parser.add_argument("--stored", type=int, default=200_000, help="messages of each such process (200000)")
    results.add_flags(parser)
    arguments = parser.parse_args()
    hear_signals()  # so that what was started is stopped, whatever ends this
    result = results.Result("scale")
    with postgres() as server:
        result.tables = asyncio.run(run(server, arguments))
    results.publish(result, arguments)


if __name__ == "__main__":
    main()
