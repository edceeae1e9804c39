"""How many receipts the engine takes while it sends, and what they cost the sending.

    python scripts/bench/receipts.py --messages 40000 --rounds 3 --per-second 5000
    python scripts/bench/receipts.py --size 1 --callers 64

In each turn an engine on a SQLite file sends a mailing; then it sends another one, which is measured: in turns with
receipts for the first one coming over gRPC, and without. The engine runs on core 0; the mock provider and whoever hands
receipts in, on core 1. On a machine with other work only the ratio means something.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvloop
from grpc import aio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "proto"))
sys.path.insert(0, str(ROOT))  # run as a file, from any folder

from common import logs, process
from engine.service import Service
from engine.settings import load
from engine.store.rows import Actor
from mailing.v1 import message_pb2
from mailing.v1.receipt_service_pb2 import Receipt, RecordReceiptsRequest, RecordReceiptsResponse
from scripts.bench.deliver import Speed, Watch, register
from scripts.bench.http_client import TEXT, mock_provider
from scripts.token_channel import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_METHOD = "/mailing.v1.ReceiptService/RecordReceipts"
_POLL_SECONDS = 0.05


class Turn(NamedTuple):
    """What one run has shown."""

    sending: Speed
    receipts_per_second: float


async def turn(url: str, arguments: argparse.Namespace, *, with_receipts: bool) -> Turn:
    """One engine, from an empty database on."""
    with tempfile.TemporaryDirectory() as folder:
        flags = {
            "database_url": f"sqlite://{folder}/bench.db",
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
            await _send(service, arguments.messages)
            if not with_receipts:
                return Turn(await _send(service, arguments.messages), 0.0)
            async with _feeder(service.grpc_port, arguments) as told:
                speed = await _send(service, arguments.messages)
            assert await service.store.check() == []
            return Turn(speed, await told())
        finally:
            await service.stop()


async def _send(service: Service, messages: int) -> Speed:
    mailing_id = await register(service, messages, TEXT, "{}")
    watch = Watch()
    await service.store.set_paused(mailing_id, False, by=Actor(), now_us=time.time_ns() // 1000)
    await service.delivery.refresh(mailing_id)
    while (await service.store.get_mailing(mailing_id)).counts.pending:
        await asyncio.sleep(_POLL_SECONDS)
    return watch.speed(messages)


@asynccontextmanager
async def _feeder(port: int, arguments: argparse.Namespace) -> AsyncIterator[Any]:
    """A process that hands receipts in until the block ends; what is given tells how many a second were accepted."""
    names = ("messages", "per_second", "size", "callers")
    options = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in names]
    command = (sys.executable, __file__, f"--feed={port}", *options)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    await child.stdout.readline()  # its requests are made

    async def told() -> float:
        return result

    result = 0.0
    try:
        yield told
    finally:
        out, _ = await child.communicate(b"\n")
        result = float(out or 0)


async def feed(arguments: argparse.Namespace) -> None:
    """The process that hands receipts in: lists of ``size``, at ``per_second`` receipts a second."""
    time_us = time.time_ns() // 1000
    requests = [
        _request(range(first, first + arguments.size), time_us)
        for first in range(1, arguments.messages - arguments.size + 2, arguments.size)
    ]
    print("ready", flush=True)
    over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    began, accepted = time.perf_counter(), 0
    async with aio.insecure_channel(f"127.0.0.1:{arguments.feed}") as channel:
        call: Any = channel.unary_unary(_METHOD, response_deserializer=RecordReceiptsResponse.FromString)
        metadata: Any = (("authorization", f"Bearer {API_TOKEN}"),)
        queue = iter(enumerate(requests))

        async def caller() -> None:
            nonlocal accepted
            for place, request in queue:
                wait_seconds = place * arguments.size / arguments.per_second - (time.perf_counter() - began)
                if wait_seconds > 0:
                    await asyncio.sleep(wait_seconds)
                if over.done():
                    return
                accepted += (await call(request, metadata=metadata)).accepted

        await asyncio.gather(*(caller() for _ in range(arguments.callers)))
        print(accepted / (time.perf_counter() - began), flush=True)


def _request(ids: range, time_us: int) -> bytes:
    request = RecordReceiptsRequest()
    for id in ids:
        receipt: Receipt = request.receipts.add(id=id, status=message_pb2.DELIVERY_STATUS_DELIVERED, code="000")
        receipt.time.FromMicroseconds(time_us)
    return request.SerializeToString()


async def run(arguments: argparse.Namespace) -> None:
    """Take turns and print the ratio of each round."""
    ratios, shares = [], []
    with mock_provider(arguments.latency_seconds) as url:
        for number in range(arguments.rounds):
            order = (True, False) if number % 2 else (False, True)
            turns = {which: await turn(url, arguments, with_receipts=which) for which in order}
            alone, both = turns[False].sending, turns[True].sending
            ratios.append(both.per_second / alone.per_second)
            share = alone.cpu_us / both.cpu_us  # of the processor time a message, receipts included
            shares.append(share)
            told = f"with {turns[True].receipts_per_second:,.0f} receipts/s {both.per_second:,.0f}/s"
            print(
                f"round {number + 1}: alone {alone.per_second:,.0f}/s   {told}   {ratios[-1]:.2f}, by cpu {share:.2f}"
            )
    print(f"ratio: median {statistics.median(ratios):.2f}; by processor time {statistics.median(shares):.2f}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000, help="of each mailing (40,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=128, help="of the engine (128)")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="of the provider")
    parser.add_argument("--per-second", type=float, default=5_000, help="receipts that are handed in (5,000)")
    parser.add_argument("--size", type=int, default=1_000, help="of a list (1,000)")
    parser.add_argument("--callers", type=int, default=1, help="who hand in at the same time (1)")
    parser.add_argument("--feed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0 if arguments.feed is None else 1})
    logs.configure(level="warning")
    process.tune()
    uvloop.run(run(arguments) if arguments.feed is None else feed(arguments))


if __name__ == "__main__":
    main()
