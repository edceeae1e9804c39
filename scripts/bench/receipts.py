"""How many receipts the engine takes while it sends, and what they cost the sending.

    python scripts/bench/receipts.py --rounds 10 --per-second 5000
    python scripts/bench/receipts.py --size 1 --callers 64
    python scripts/bench/receipts.py --database-url postgres://…

An engine sends a mailing, and then a longer one, which is measured: for a second without receipts, for a second with
receipts for the first one coming over gRPC, and so on in turns. The two of a round are neighbours in time, in the same
process: what else a machine does hits both, and the ratio moves little. The engine runs on core 0; the mock provider
and whoever hands receipts in, on core 1. The database, if it is named, must be empty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvloop
from grpc import aio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "proto"))
sys.path.insert(0, str(ROOT))  # run as a file, from any folder

from common import logs, process
from engine.service import Service
from engine.settings import load
from engine.store.rows import Actor, MessageQuery, Page
from mailing.v1 import message_pb2
from mailing.v1.receipt_service_pb2 import Receipt, RecordReceiptsRequest, RecordReceiptsResponse
from scripts.bench.deliver import register
from scripts.bench.http_client import TEXT, mock_provider
from scripts.token_channel import API_TOKEN

_METHOD: Final = "/mailing.v1.ReceiptService/RecordReceipts"
_POLL_SECONDS: Final = 0.05
_SETTLE_SECONDS: Final = 0.5
_FASTER_THAN_ANY: Final = 20_000  # messages a second

Hand = Callable[[int], Awaitable[int]]
"""Hands so many receipts in, at the pace that was asked for; returns how many were accepted."""


class Window(NamedTuple):
    """What a while of sending has shown."""

    per_second: float
    cpu_us: float
    """Processor time of all of the engine's threads a message, receipts included."""
    receipts_per_message: float


async def measure(url: str, arguments: argparse.Namespace) -> list[tuple[Window, Window]]:
    """Windows without receipts and with them, in pairs."""
    with tempfile.TemporaryDirectory() as folder:
        flags = {
            "database_url": arguments.database_url or f"sqlite://{folder}/bench.db",
            "provider_url": url,
            "fbrq_token": "x",
            "workers": str(arguments.workers),
            "slots": str(arguments.workers * 5),
            "queue_size": str(arguments.workers * 40),
            "grpc_listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "admin_password": "a password for the bench",
            "api_token": API_TOKEN,
        }
        service = Service(load(flags, {}, None))
        try:
            await service.start()
            first = await register(service, _receipts(arguments) * arguments.rounds, TEXT, "{}")
            await _resume(service, first)
            while (await service.store.get_mailing(first)).counts.pending:
                await asyncio.sleep(_POLL_SECONDS)
            # Clients of the second mailing are none of the first.
            await service.store.set_cancelled(first, by=Actor(), now_us=time.time_ns() // 1000)
            sent = await service.store.list_messages(MessageQuery(mailing_id=first), Page(1, descending=False))
            messages = int(arguments.rounds * 2 * arguments.window_seconds * _FASTER_THAN_ANY)
            async with _feeder(service.grpc_port, sent.items[0].id, arguments) as hand:
                second = await register(service, messages, TEXT, "{}")
                await _resume(service, second)
                pairs = await _windows(service, second, hand, arguments)
            assert await service.store.check() == []
            return pairs
        finally:
            await service.stop()


async def _resume(service: Service, mailing_id: int) -> None:
    await service.store.set_paused(mailing_id, False, by=Actor(), now_us=time.time_ns() // 1000)
    await service.delivery.refresh(mailing_id)


async def _windows(
    service: Service, mailing_id: int, hand: Hand, arguments: argparse.Namespace
) -> list[tuple[Window, Window]]:
    pairs = []
    await asyncio.sleep(_SETTLE_SECONDS)
    for number in range(arguments.rounds):
        order = (True, False) if number % 2 else (False, True)
        shown = {which: await _window(service, hand if which else None, arguments) for which in order}
        if (await service.store.get_mailing(mailing_id)).counts.pending < _FASTER_THAN_ANY * _POLL_SECONDS:
            break  # the sending has ended, or nearly: this pair shows nothing
        pairs.append((shown[False], shown[True]))
    await service.store.set_paused(mailing_id, True, by=Actor(), now_us=time.time_ns() // 1000)
    await service.delivery.refresh(mailing_id)
    return pairs


async def _window(service: Service, hand: Hand | None, arguments: argparse.Namespace) -> Window:
    queue = service.delivery.state.lines[0].queue
    began, cpu_began, taken = time.perf_counter(), time.process_time(), queue.taken
    handed = 0
    if hand is not None:
        handed = await hand(_receipts(arguments))
    await asyncio.sleep(arguments.window_seconds - (time.perf_counter() - began))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    messages = queue.taken - taken
    return Window(messages / seconds, cpu_seconds / messages * 1e6, handed / messages)


def _receipts(arguments: argparse.Namespace) -> int:
    """Of a window."""
    size: int = arguments.size
    return int(arguments.per_second * arguments.window_seconds / size) * size


@asynccontextmanager
async def _feeder(port: int, first_id: int, arguments: argparse.Namespace) -> AsyncIterator[Hand]:
    """A process that hands receipts in when it is asked to, for the messages from this one on."""
    names = ("per_second", "window_seconds", "size", "callers", "rounds")
    options = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in names]
    command = (sys.executable, __file__, f"--feed={port}", f"--first-id={first_id}", *options)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None
    await stdout.readline()  # its requests are made

    async def hand(receipts: int) -> int:
        stdin.write(f"{receipts}\n".encode())
        return int(await stdout.readline())

    try:
        yield hand
    finally:
        await child.communicate(b"")  # an input ends it: its end is what the child waits for


async def feed(arguments: argparse.Namespace) -> None:
    """The process that hands receipts in: lists of ``size``, at ``per_second`` receipts a second."""
    time_us, size = time.time_ns() // 1000, arguments.size
    begin, number = arguments.first_id, _receipts(arguments) * arguments.rounds
    firsts = range(begin, begin + number, size)
    requests = iter([_request(range(first, first + size), time_us) for first in firsts])
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    async with aio.insecure_channel(f"127.0.0.1:{arguments.feed}") as channel:
        call: Any = channel.unary_unary(_METHOD, response_deserializer=RecordReceiptsResponse.FromString)
        metadata: Any = (("authorization", f"Bearer {API_TOKEN}"),)

        async def caller(queue: enumerate[bytes], began: float) -> int:
            accepted = 0
            for place, request in queue:
                await asyncio.sleep(max(0.0, place * size / arguments.per_second - (time.perf_counter() - began)))
                response: RecordReceiptsResponse = await call(request, metadata=metadata)
                accepted += response.accepted
            return accepted

        while line := await lines.readline():
            queue, began = enumerate(islice(requests, int(line) // size)), time.perf_counter()
            done = await asyncio.gather(*(caller(queue, began) for _ in range(arguments.callers)))
            print(sum(done), flush=True)


def _request(ids: range, time_us: int) -> bytes:
    request = RecordReceiptsRequest()
    for id in ids:
        receipt: Receipt = request.receipts.add(id=id, status=message_pb2.DELIVERY_STATUS_DELIVERED, code="000")
        receipt.time.FromMicroseconds(time_us)
    return request.SerializeToString()


async def run(arguments: argparse.Namespace) -> None:
    """Measure, and print each round and the medians."""
    with mock_provider(arguments.latency_seconds) as url:
        pairs = await measure(url, arguments)
    for number, (alone, both) in enumerate(pairs, 1):
        receipts = both.per_second * both.receipts_per_message
        print(
            f"round {number}: alone {alone.per_second:,.0f}/s ({alone.cpu_us:.0f} us)   with {receipts:,.0f} receipts/s"
            f" {both.per_second:,.0f}/s ({both.cpu_us:.0f} us)   {both.per_second / alone.per_second:.2f}"
        )
    ratio = statistics.median(both.per_second / alone.per_second for alone, both in pairs)
    share = statistics.median(alone.cpu_us / both.cpu_us for alone, both in pairs)
    cost_us = statistics.median((both.cpu_us - alone.cpu_us) / both.receipts_per_message for alone, both in pairs)
    print(f"ratio: median {ratio:.2f}; by processor time {share:.2f}; a receipt costs {cost_us:.0f} us of it")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="of one window without and one with receipts (10)")
    parser.add_argument("--window-seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=128, help="of the engine (128)")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="of the provider")
    parser.add_argument("--per-second", type=float, default=5_000, help="receipts that are handed in (5,000)")
    parser.add_argument("--size", type=int, default=1_000, help="of a list (1,000)")
    parser.add_argument("--callers", type=int, default=1, help="who hand in at the same time (1)")
    parser.add_argument("--database-url", help="in place of a SQLite file of its own")
    parser.add_argument("--feed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--first-id", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0 if arguments.feed is None else 1})
    logs.configure(level="warning")
    process.tune()
    uvloop.run(run(arguments) if arguments.feed is None else feed(arguments))


if __name__ == "__main__":
    main()
