"""How much of the HTTP client's own speed the whole engine keeps.

    python scripts/bench/deliver.py --messages 50000 --rounds 5
    python scripts/bench/deliver.py --no-calls
    python scripts/bench/deliver.py --personal
    python scripts/bench/deliver.py --log-all --latency-seconds 0.005

Everything that sends runs on core 0 (event loop, database thread, the HTTP client's thread), the mock
provider on core 1. In each round the same client first runs in a bare loop, then the whole engine (gRPC API,
ticker, leases, metrics) delivers the same number of messages from a SQLite file: claims stored, outcomes
recorded, counters kept. Compare the ratio, not the seconds. On a machine with other work look at the processor time
a message too: it moves less, though caches shared with others and a stolen core show in it as well. With
``--no-calls`` every message is taken as accepted where the client would be called: what is left is the engine's own
work, a number that hardly moves. With ``--personal`` the engine alone is measured, in turns with the text that is the
same for everyone and with one that has three placeholders, for clients of ten attributes. With ``--log-all`` it is
measured in turns with a line in the log for failures only and for each call (``MAILING_LOG_MESSAGES``).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import uvloop

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "proto"))
sys.path.insert(0, str(ROOT))  # run as a file, from any folder

from common import logs, process
from engine.domain.audience import AudienceFilter
from engine.domain.outcome import Answer
from engine.domain.validate import ClientInput, MailingInput
from engine.provider.fbrq import FbrqProvider
from engine.service import Service
from engine.settings import load
from engine.store.rows import Actor
from scripts.bench.http_client import PHONE, TEXT, bare, mock_provider
from scripts.token_channel import API_TOKEN

_PERSONAL = "Hello {{name|you}}, {{bonus}} points in {{city}}: a text of fifty."
_ATTRIBUTES = (
    '{"age":44,"bonus":120.5,"city":"Omsk","discount":10,"email":"a@example.com","family":"Ivanova","name":"Anna",'
    '"sex":"f","subscribed":true,"vip":false}'
)
_HOUR_US = 3_600_000_000
_ACCEPTED = Answer(200, True, "")
_POLL_SECONDS = 0.02
_FASTER_THAN_ANY = 100_000  # messages a second


class Speed(NamedTuple):
    """What one run has shown."""

    per_second: float
    cpu_us: float
    """Processor time of all of the process's threads a message."""


class Kind(NamedTuple):
    """What tells one kind of runs from another."""

    text: str = TEXT
    attributes: str = "{}"
    log_messages: str = "failures"
    keep_days: str = "0"


class Watch:
    """Started when it is made."""

    def __init__(self) -> None:
        self._began, self._cpu_began = time.perf_counter(), time.process_time()

    def speed(self, messages: int) -> Speed:
        """So many messages have gone out since."""
        seconds, cpu_seconds = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        return Speed(messages / seconds, cpu_seconds / messages * 1e6)


async def bare_rate(url: str, messages: int, in_flight: int) -> Speed:
    """The client in a bare loop."""
    send = bare(url)
    ids = iter(range(1, messages + 1))

    async def worker() -> None:
        for message_id in ids:
            await send(message_id)

    watch = Watch()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return watch.speed(messages)


async def engine_rate(
    url: str,
    messages: int,
    workers: int,
    slots: int,
    folder: Path,
    kind: Kind = Kind(),  # noqa: B008 - never changes
) -> Speed:
    """The whole engine, from the mailing's resumption to the last stored outcome."""
    flags = {
        "database_url": f"sqlite://{folder / 'bench.db'}",
        "provider_url": url,
        "fbrq_token": "x",
        "workers": str(workers),
        "slots": str(slots),
        "queue_size": str(max(1000, slots * 8)),
        "log_messages": kind.log_messages,
        "keep_days": kind.keep_days,
        "grpc_listen": "127.0.0.1:0",
        "metrics_listen": "127.0.0.1:0",
        "admin_password": "a password for the bench",
        "api_token": API_TOKEN,
    }
    service = Service(load(flags, {}, None))
    try:
        await service.start()
        mailing_id = await register(service, messages, kind.text, kind.attributes)
        watch = Watch()
        await service.store.set_paused(mailing_id, False, by=Actor(), now_us=time.time_ns() // 1000)
        await service.delivery.refresh(mailing_id)
        while pending := (row := await service.store.get_mailing(mailing_id)).counts.pending:
            await asyncio.sleep(max(_POLL_SECONDS, pending / _FASTER_THAN_ANY))  # each look takes from what is measured
        speed = watch.speed(messages)
        assert row.counts.sent == messages, row.counts
    finally:
        await service.stop()
    return speed


async def register(service: Service, messages: int, text: str, attributes: str) -> int:
    """A paused mailing with all its rows made."""
    now_us = time.time_ns() // 1000
    for first in range(0, messages, 5000):
        clients = [
            ClientInput(70000000000 + PHONE % 1000 + i, "916", "", "UTC", attributes=attributes)
            for i in range(first, min(first + 5000, messages))
        ]
        await service.store.import_clients(clients, by=Actor(), now_us=now_us)
    asked = MailingInput(text, AudienceFilter(), now_us, now_us + _HOUR_US, None, None, "resend")
    mailing_id = (await service.store.create_mailing(asked, by=Actor(), now_us=now_us)).row.id
    await service.store.set_paused(mailing_id, True, by=Actor(), now_us=now_us)
    await service.delivery.refresh(mailing_id)
    while (await service.store.get_mailing(mailing_id)).counts.total < messages:
        await asyncio.sleep(_POLL_SECONDS)
    return mailing_id


async def _accepted(*_: object) -> Answer:
    return _ACCEPTED


async def run_without_calls(arguments: argparse.Namespace) -> None:
    """The engine's own work."""
    setattr(FbrqProvider, "send", _accepted)  # noqa: B010
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            speed = await engine_rate(
                "http://127.0.0.1:1", arguments.messages, arguments.workers, arguments.slots, Path(folder)
            )
        print(f"round {number + 1}: engine without calls {_shown(speed)}")


async def run(arguments: argparse.Namespace) -> None:
    """Alternate the two and print the ratio of each round."""
    ratios, cpu_ratios = [], []
    with mock_provider(arguments.latency_seconds) as url:
        for number in range(arguments.rounds):
            alone = await bare_rate(url, arguments.messages, arguments.in_flight)
            with tempfile.TemporaryDirectory() as folder:
                whole = await engine_rate(url, arguments.messages, arguments.workers, arguments.slots, Path(folder))
            ratios.append(whole.per_second / alone.per_second)
            cpu_ratios.append(alone.cpu_us / whole.cpu_us)
            print(f"round {number + 1}: client alone {_shown(alone)}   engine {_shown(whole)}   {ratios[-1]:.2f}")
    median, lowest, highest = statistics.median(ratios), min(ratios), max(ratios)
    by_cpu = statistics.median(cpu_ratios)
    print(f"ratio: median {median:.2f}, min {lowest:.2f}, max {highest:.2f}; by processor time {by_cpu:.2f}")


async def run_personal(arguments: argparse.Namespace) -> None:
    """A text that is the same for everyone, and one with placeholders, in turns."""
    texts = {"plain": TEXT, "personal": _PERSONAL}
    await _run_in_turns(arguments, {name: Kind(text, _ATTRIBUTES) for name, text in texts.items()})


async def run_log_all(arguments: argparse.Namespace) -> None:
    """A line in the log for failures only, and for each call, in turns; the log is a file."""
    with tempfile.TemporaryFile("w", encoding="utf-8") as stream:
        logs.configure(stream=stream)
        await _run_in_turns(arguments, {name: Kind(log_messages=name) for name in ("failures", "all")})


async def _run_in_turns(arguments: argparse.Namespace, kinds: Mapping[str, Kind]) -> None:
    """Two kinds of runs, by what ``engine_rate`` is told besides."""
    (first, second), ratios, cpu_ratios = kinds, [], []
    with mock_provider(arguments.latency_seconds) as url:
        for number in range(arguments.rounds):
            speeds = {}
            for name in (first, second) if number % 2 else (second, first):
                with tempfile.TemporaryDirectory() as folder:
                    sizes = arguments.messages, arguments.workers, arguments.slots
                    speeds[name] = await engine_rate(url, *sizes, Path(folder), kinds[name])
            ratios.append(speeds[second].per_second / speeds[first].per_second)
            cpu_ratios.append(speeds[first].cpu_us / speeds[second].cpu_us)
            told = "   ".join(f"{name} {_shown(speeds[name])}" for name in kinds)
            print(f"round {number + 1}: {told}   {ratios[-1]:.2f}")
    by_cpu = statistics.median(cpu_ratios)
    print(f"ratio: median {statistics.median(ratios):.2f}; by processor time {by_cpu:.2f}, of {sorted(cpu_ratios)}")


def _shown(speed: Speed) -> str:
    return f"{speed.per_second:8,.0f}/s ({speed.cpu_us:.0f} us)"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=100, help="of the client alone (100)")
    parser.add_argument("--workers", type=int, default=128, help="of the engine (128)")
    parser.add_argument("--slots", type=int, help="of the engine: MAILING_SLOTS (five times the workers)")
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    parser.add_argument("--no-calls", action="store_true", help="the engine's own work only")
    parser.add_argument("--personal", action="store_true", help="texts with placeholders and without, in turns")
    parser.add_argument("--log-all", action="store_true", help="MAILING_LOG_MESSAGES=all and failures, in turns")
    os.sched_setaffinity(0, {0})
    logs.configure(level="warning")
    process.tune()
    arguments = parser.parse_args()
    arguments.slots = arguments.workers * 5 if arguments.slots is None else arguments.slots
    special = {"no_calls": run_without_calls, "personal": run_personal, "log_all": run_log_all}
    work = next((work for name, work in special.items() if getattr(arguments, name)), run)
    uvloop.run(work(arguments))


if __name__ == "__main__":
    main()
