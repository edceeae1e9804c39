"""Ours beside what people use instead: Celery, arq, taskiq, dramatiq, procrastinate (docs/performance.md).

    python scripts/bench/senders.py
    python scripts/bench/senders.py --latencies-ms 0 --seconds 3 --only arq taskiq

Each registers a mailing, sends its messages to the same mock provider and writes each status to its database; time runs
from the registration to the last stored status. The processes that register and send have core 0; the mock provider,
Redis and PostgreSQL have the others. All peers keep their rows in PostgreSQL; ours is measured on PostgreSQL and on
SQLite (then with the database on core 0 too). ``scripts/bench/peers/`` says how each one is written.

It needs redis-server (apt-get install redis-server) and two cores; the peers' packages (requirements/peers.txt and
peers-arq.txt) are installed into folders of the user's cache once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import asyncpg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from common.process import tune
from scripts.bench import results
from scripts.bench.deliver import bare_rate
from scripts.bench.engine_process import TEXT, engine
from scripts.bench.http_client import mock_provider
from scripts.bench.peer_kinds import PEERS_BY_NAME, PROGRAMS, Peer, peers_folder, redis
from scripts.bench.postgres_process import Postgres, postgres
from scripts.bench.service_process import cpu_seconds, process
from scripts.processes import hear_signals

_IN_FLIGHT: Final = {0: 128, 20: 1_000, 200: 3_000}
"""By the provider's latency in milliseconds; others have as many as that needs for 15,000 messages a second."""
_OURS: Final = "ours"
_OURS_SQLITE: Final = "ours, SQLite"
_CEILING: Final = "HTTP client alone"
_WARM: Final = 50
_PILOT: Final = 300
_START_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.02
_TABLES: Final = """
CREATE TABLE client (id bigint PRIMARY KEY, phone_number bigint NOT NULL UNIQUE);
INSERT INTO client SELECT i, 79000000000 + i FROM generate_series(1, {clients}) AS i;
CREATE TABLE mailing (id bigserial PRIMARY KEY, text text NOT NULL, start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL);
CREATE TABLE message (id bigserial PRIMARY KEY, mailing_id bigint NOT NULL REFERENCES mailing,
    client_id bigint NOT NULL REFERENCES client, status text NOT NULL DEFAULT 'pending', sent_time timestamptz,
    UNIQUE (mailing_id, client_id));
CREATE INDEX message_open ON message (mailing_id) WHERE status <> 'sent';
"""
_MAILING: Final = """
INSERT INTO mailing (text, start_time, end_time) VALUES ($1, now(), now() + interval '1 hour') RETURNING id
"""
_IS_OPEN: Final = "SELECT EXISTS (SELECT FROM message WHERE mailing_id = $1 AND status <> 'sent')"


@dataclass(frozen=True, slots=True)
class Run:
    """What one has shown at one latency."""

    in_flight: int
    messages: int
    seconds: float
    own_us: float
    """Of the processor a message: who registers and sends."""
    beside_us: float | None
    """The same of Redis and PostgreSQL."""

    @property
    def per_second(self) -> float:
        """Messages."""
        return self.messages / self.seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is, at one latency."""

    url: str
    in_flight: int
    redis_url: str
    beside: Sequence[int]
    """The processes of Redis and PostgreSQL."""
    database: Postgres
    folder: Path
    cores: frozenset[int]

    def beside_seconds(self) -> float:
        """What these have used of the processors so far."""
        return sum(cpu_seconds(pid) for pid in self.beside)


def _ceiling(url: str, messages: int, in_flight: int, core: int) -> float:
    os.sched_setaffinity(0, {core})
    return asyncio.run(bare_rate(url, messages, in_flight)).per_second


async def ceiling(place: Place, messages: int) -> Run:
    """The HTTP client in a bare loop, in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        arguments = (place.url, messages, place.in_flight, min(place.cores))
        rate = await asyncio.get_running_loop().run_in_executor(pool, _ceiling, *arguments)
    return Run(place.in_flight, messages, messages / rate, 0.0, None)


async def ours(place: Place, messages: int, *, on_postgres: bool) -> Run:
    """The whole engine."""
    flags = ["--workers", str(place.in_flight), "--slots", str(max(640, 2 * place.in_flight))]
    flags += ["--queue-size", str(max(1_000, 8 * place.in_flight))]
    if on_postgres:
        flags += ["--database-url", await place.database.make("ours")]
    async with engine(place.url, *flags, cores=place.cores) as api:
        await api.add_clients(_PILOT, 0, "warm")
        await api.add_clients(messages, _PILOT, "all")

        async def send(tag: str, count: int) -> Run:
            watch = Watch(place, [api.process.pid])
            mailing = await api.register(tag)
            await api.wait(mailing.id, lambda seen: seen.message_counts.sent == count, _POLL_SECONDS)
            return watch.run(place.in_flight, count, counts_beside=on_postgres)

        await send("warm", _PILOT)
        return await send("all", messages)


class Watch:
    """Started when it is made."""

    def __init__(self, place: Place, pids: Sequence[int]) -> None:
        self._place, self._pids = place, pids
        self._own, self._beside = self._own_seconds(), place.beside_seconds()
        self._began = time.perf_counter()

    def _own_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._pids)

    def run(self, in_flight: int, messages: int, *, counts_beside: bool = True) -> Run:
        """So many messages have been sent since."""
        seconds = time.perf_counter() - self._began
        own_us = (self._own_seconds() - self._own) / messages * 1e6
        beside_us = (self._place.beside_seconds() - self._beside) / messages * 1e6
        return Run(in_flight, messages, seconds, own_us, beside_us if counts_beside else None)


class Registrar:
    """A peer's process that registers mailings."""

    def __init__(self, process: asyncio.subprocess.Process, connection: Any) -> None:
        self.process, self._connection = process, connection

    async def send(self, count: int, longest_seconds: float) -> None:
        """Register a mailing for so many clients; return when all of it has been sent."""
        mailing_id = await self._connection.fetchval(_MAILING, TEXT)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{mailing_id} {count}\n".encode())
        async with asyncio.timeout(longest_seconds):
            await self.said(b"registered")
            while await self._connection.fetchval(_IS_OPEN, mailing_id):
                await asyncio.sleep(_POLL_SECONDS)

    async def said(self, word: bytes) -> None:
        """Wait for a line."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if line.strip() != word:
            raise RuntimeError(f"a registrar said {line!r} and not {word!r}")


@asynccontextmanager
async def _registrar(place: Place, python: Path, peer: Peer, environ: Mapping[str, str]) -> AsyncIterator[Registrar]:
    connection = await asyncpg.connect(environ["BENCH_DATABASE"])
    with results.on_cores(place.cores):
        started = await asyncio.create_subprocess_exec(
            *(python, PROGRAMS / f"{peer.module}.py"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environ},
        )
    try:
        yield Registrar(started, connection)
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await connection.close()


async def theirs(place: Place, name: str, arguments: argparse.Namespace) -> Run:
    """One peer."""
    peer = PEERS_BY_NAME[name]
    bin_folder = peers_folder(peer.lock) / "bin"
    in_flight = min(place.in_flight, peer.at_most)
    environ = await _environ(place, peer, in_flight, arguments.messages)
    for command in (peer.setup, f"redis-cli -u {place.redis_url} flushall"):
        if command:
            words = _command(command, bin_folder, in_flight, place)
            await asyncio.to_thread(_run, words, environ)
    worker = _command(peer.worker, bin_folder, in_flight, place)
    log = place.folder / f"{peer.module}.log"
    with process(worker, log, environ, place.cores) as started, _told(log):
        async with _registrar(place, bin_folder / "python", peer, environ) as registrar:
            await registrar.said(b"ready")
            await registrar.send(_WARM, _START_SECONDS)
            began = time.perf_counter()
            await registrar.send(_PILOT, _LONGEST_SECONDS)
            pilot_rate = _PILOT / (time.perf_counter() - began)
            count = min(arguments.messages, max(_PILOT, round(pilot_rate * arguments.seconds)))
            watch = Watch(place, [started.pid, registrar.process.pid])
            await registrar.send(count, _LONGEST_SECONDS)
            return watch.run(in_flight, count)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    subprocess.run(command, check=True, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)


@contextmanager
def _told(log: Path) -> Iterator[None]:
    """When it fails, the end of its log is shown."""
    try:
        yield
    except (TimeoutError, RuntimeError):
        print(log.read_text(encoding="utf-8", errors="replace")[-2_000:], file=sys.stderr)
        raise


async def _environ(place: Place, peer: Peer, in_flight: int, clients: int) -> dict[str, str]:
    database = await place.database.make("theirs")
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_TABLES.format(clients=clients))
    finally:
        await connection.close()
    own = {"BENCH_URL": place.url, "BENCH_DATABASE": database, "BENCH_REDIS": place.redis_url}
    return {**own, "BENCH_IN_FLIGHT": str(in_flight), "PYTHONPATH": str(PROGRAMS), **peer.environ}


def _command(text: str, bin_folder: Path, in_flight: int, place: Place) -> list[str]:
    name, *rest = text.format(n=in_flight, folder=place.folder).split()
    own = bin_folder / name
    return [str(own) if own.exists() else name, *rest]


async def measure(place: Place, arguments: argparse.Namespace) -> dict[str, Run]:
    """All of them, one after the other."""
    candidates: dict[str, Callable[[], Awaitable[Run]]] = {
        _CEILING: lambda: ceiling(place, arguments.messages),
        _OURS: lambda: ours(place, arguments.messages, on_postgres=True),
        _OURS_SQLITE: lambda: ours(place, arguments.messages, on_postgres=False),
    }
    for name in arguments.only:
        candidates[name] = partial(theirs, place, name, arguments)
    found = {}
    for name, candidate in candidates.items():
        try:
            found[name] = await candidate()
        except (TimeoutError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"{name}: not measured: {error!r}", file=sys.stderr)
            continue
        print(f"  {name:20} {found[name].per_second:10,.0f} messages/s", flush=True)
    return found


def table(latency_ms: int, runs: Mapping[str, Run]) -> results.Table:
    """The runs at one latency, the quickest of the peers first."""
    best = runs.get(_OURS)
    rows: list[Sequence[results.Cell]] = []
    for name, run in runs.items():
        times = best.per_second / run.per_second if best else None
        own_us = run.own_us or None
        rows.append((name, run.in_flight, run.messages, run.per_second, times, own_us, run.beside_us))
    rows.sort(key=lambda row: -float(row[3] or 0))
    columns = ("who", "in flight", "messages", "messages/s", "ours / this", "own us", "Redis, database us")
    return results.Table(f"The provider answers after {latency_ms} ms", columns, rows)


def _bars(found: Mapping[int, Mapping[str, Run]]) -> results.Bars:
    names = list(dict.fromkeys(name for runs in found.values() for name in runs))
    series: dict[str, Sequence[float | None]] = {
        name: [runs[name].per_second if name in runs else None for runs in found.values()] for name in names
    }
    return results.Bars("Messages a second", "messages/s", [f"{latency} ms" for latency in found], series)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latencies-ms", type=int, nargs="+", default=list(_IN_FLIGHT), help="of the provider")
    parser.add_argument("--messages", type=int, default=100_000, help="of ours; of a peer at most (100000)")
    parser.add_argument("--seconds", type=float, default=15.0, help="that a peer is to send for, about (15)")
    names = list(PEERS_BY_NAME)
    parser.add_argument("--only", nargs="*", default=names, choices=names, metavar="PEER", help=", ".join(names))
    results.add_flags(parser)
    arguments = parser.parse_args()
    hear_signals()  # so that what was started is stopped, whatever ends this
    tune()
    for lock in {PEERS_BY_NAME[name].lock for name in arguments.only}:
        peers_folder(lock)
    own, others = results.cores(0)
    result = results.Result("senders")
    found: dict[int, Mapping[str, Run]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailing-senders-")))
        with results.on_cores(others):
            database = stack.enter_context(postgres())
            redis_url, redis_pid = stack.enter_context(redis(folder))
        os.sched_setaffinity(0, others)
        for latency_ms in arguments.latencies_ms:
            in_flight = _IN_FLIGHT.get(latency_ms, max(128, 15 * latency_ms))
            with mock_provider(latency_ms / 1000) as url:
                place = Place(url, in_flight, redis_url, (redis_pid, database.pid), database, folder, own)
                print(f"{latency_ms} ms:", flush=True)
                found[latency_ms] = asyncio.run(measure(place, arguments))
    result.tables = [table(latency_ms, runs) for latency_ms, runs in found.items()]
    result.bars = [_bars(found)]
    results.publish(result, arguments)


if __name__ == "__main__":
    main()
