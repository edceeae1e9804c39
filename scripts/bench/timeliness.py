"""How soon the first call is made: after a registration, after a start time, after kill -9 (docs/performance.md).

    python scripts/bench/timeliness.py
    python scripts/bench/timeliness.py --clients 20000 --rounds 10 --kills 2

An engine with a SQLite file has core 0; the mock provider, which says when it was called, has core 1. First nobody else
is sending; then the same is asked beside a mailing for all clients at full speed. Times are those between our clock
before the registration (or the start time, or the start of the engine that follows a killed one) and the provider's
when the request has arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from mailing.v1 import client_service_pb2, mailing_pb2
from scripts.bench import results
from scripts.bench.engine_process import Api, engine
from scripts.processes import hear_signals

_WATCHED: Final = "probe "
_FEW: Final = 10
_FEW_TAG: Final = "few"
_PAUSE_SECONDS: Final = 0.1
_AHEAD_SECONDS: Final = 1.0
_LEFT_MIN: Final = 50_000
"""When the large mailing has no more than this left, another one is registered."""
_NEW_US: Final = 100_000
"""So soon after its start no engine can call: it is still being read. What arrives by then was sent by the last one."""
_LONGEST_SECONDS: Final = 60.0
_MS: Final = 1_000
_WORKERS: Final = ("--workers", "128", "--slots", "640")
_KILLED: Final = ("--workers", "64")
_KILLED_LATENCY_SECONDS: Final = 0.05


class Witness:
    """The mock provider, as a process that says when it was called with which text."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        self.url, self._process = url, process
        self._calls: list[tuple[int, str]] = []
        self._heard = asyncio.Event()

    async def listen(self) -> None:
        """Until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            at_us, _, text = line.decode().strip().partition(" ")
            self._calls.append((int(at_us), text))
            self._heard.set()

    async def first_us(self, text: str, after_us: int = 0) -> int:
        """When it was first called with this text, after that time."""
        read = 0
        async with asyncio.timeout(_LONGEST_SECONDS):
            while True:
                self._heard.clear()
                for at_us, said in self._calls[read:]:
                    if said == text and at_us >= after_us:
                        return at_us
                read = len(self._calls)
                await self._heard.wait()


@asynccontextmanager
async def witness(latency_seconds: float) -> AsyncIterator[Witness]:
    """Start one."""
    flags = ["--core", "1", "--watch", _WATCHED, "--latency-seconds", str(latency_seconds)]
    program = Path(__file__).with_name("mock_provider.py")
    process = await asyncio.create_subprocess_exec(sys.executable, program, *flags, stdout=subprocess.PIPE)
    assert process.stdout is not None
    made = Witness((await process.stdout.readline()).decode().strip(), process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        process.kill()
        await process.wait()
        await listening


async def after_registering(api: Api, seen: Witness, name: str, rounds: int) -> list[float]:
    """Seconds, one after the other."""
    found = []
    for number in range(rounds):
        text = f"{_WATCHED}{name} {number}"
        began_us = _now_us()
        await api.register(_FEW_TAG, text=text)
        found.append((await seen.first_us(text) - began_us) / 1e6)
        await asyncio.sleep(_PAUSE_SECONDS)
    return found


async def after_start_time(api: Api, seen: Witness, name: str, rounds: int) -> list[float]:
    """Seconds; a mailing is registered a second ahead, and the next one while it waits."""

    async def one(number: int) -> float:
        await asyncio.sleep(number * _PAUSE_SECONDS)
        text, start = f"{_WATCHED}{name} {number}", datetime.now(UTC) + timedelta(seconds=_AHEAD_SECONDS)
        await api.register(_FEW_TAG, text=text, start=start)
        return (await seen.first_us(text) - start.timestamp() * 1e6) / 1e6

    return list(await asyncio.gather(*(one(number) for number in range(rounds))))


async def _keep_busy(api: Api, busy: asyncio.Event) -> None:
    """Something is always being sent to everybody: one mailing, and the next one before that is over."""
    while True:
        mailing = await api.register("all")
        # Else few messages would be left while most are still to come, and more and more mailings be registered.
        await api.wait(mailing.id, lambda now: now.audience_state == mailing_pb2.AUDIENCE_STATE_READY, 0.05)
        busy.set()
        await api.wait(mailing.id, lambda now: now.message_counts.pending < _LEFT_MIN, 0.5)


async def _ask(api: Api, found: list[float]) -> None:
    """Somebody asks for a client, ten times a second."""
    while True:
        began = time.perf_counter()
        await api.clients.GetClient(client_service_pb2.GetClientRequest(client_id=1))
        found.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _both(api: Api, seen: Witness, when: str, rounds: int) -> dict[str, list[float]]:
    asked: list[float] = []
    asking = asyncio.create_task(_ask(api, asked))
    try:
        return {
            f"registration to first call, {when}": await after_registering(api, seen, f"register {when}", rounds),
            f"start time to first call, {when}": await after_start_time(api, seen, f"start {when}", rounds),
            f"GetClient, {when}": asked,
        }
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def running(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Idle, and under full load."""
    async with witness(0.0) as seen, engine(seen.url, *_WORKERS, cores=results.cores(0)[0]) as api:
        half = arguments.clients // 2
        await api.add_clients(half, 0, "all")
        await api.add_clients(_FEW, half, _FEW_TAG)
        await api.add_clients(arguments.clients - half, half + _FEW, "all")
        await after_registering(api, seen, "warm", 3)
        found = await _both(api, seen, "idle", arguments.rounds)
        busy = asyncio.Event()
        keeping = asyncio.create_task(_keep_busy(api, busy))
        await busy.wait()
        found |= await _both(api, seen, "full load", arguments.rounds)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        return found


async def killed(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """An engine is killed while it sends; the next one is started at once."""
    found, text, own = [], f"{_WATCHED}kill", results.cores(0)[0]
    with tempfile.TemporaryDirectory() as folder:
        flags = [*_KILLED, "--database-url", f"sqlite://{folder}/mailing.db"]
        async with witness(_KILLED_LATENCY_SECONDS) as seen:
            async with engine(seen.url, *flags, cores=own) as api:
                await api.add_clients(arguments.clients)
                await api.register(text=text)
                await seen.first_us(text)
                api.process.kill()
            for _ in range(arguments.kills):
                began_us = _now_us()
                async with engine(seen.url, *flags, cores=own) as api:
                    found.append((await seen.first_us(text, began_us + _NEW_US) - began_us) / 1e6)
                    api.process.kill()
    return {"start after kill -9 to first call": found}


def _now_us() -> int:
    return time.time_ns() // 1_000


def table(found: dict[str, list[float]]) -> results.Table:
    """Quantiles in milliseconds."""
    rows: list[Sequence[results.Cell]] = []
    for name, seconds in found.items():
        p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else seconds[0]
        rows.append((name, len(seconds), *(value * _MS for value in (statistics.median(seconds), p99, max(seconds)))))
    return results.Table("Milliseconds", ("", "times", "p50", "p99", "max"), rows)


async def run(arguments: argparse.Namespace) -> results.Table:
    """Measure all."""
    parts: list[Callable[[argparse.Namespace], Awaitable[dict[str, list[float]]]]] = [running, killed]
    found: dict[str, list[float]] = {}
    for part in parts:
        found |= await part(arguments)
    return table(found)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100, help="of each (100)")
    parser.add_argument("--kills", type=int, default=10)
    results.add_flags(parser)
    arguments = parser.parse_args()
    result = results.Result("timeliness")
    hear_signals()  # so that what was started is stopped, whatever ends this
    result.tables = [asyncio.run(run(arguments))]
    results.publish(result, arguments)


if __name__ == "__main__":
    main()
