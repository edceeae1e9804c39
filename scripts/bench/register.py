"""What registering a mailing for a million clients costs, and whom it holds up (docs/behaviour.md, rule 3).

    python scripts/bench/register.py --clients 1000000
    python scripts/bench/register.py --clients 1000000 --few 10 --rounds 100

An engine with a SQLite file in a process of its own imports the clients; then a mailing for all of them is
registered. While its rows are made and its first texts go out, one caller asks for a client, again and again. With
``--few`` mailings for so many of the clients are registered, one after the other, and each one's first text is awaited.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from mailing.v1 import client_service_pb2, mailing_pb2, message_pb2, message_service_pb2
from scripts.bench.engine_process import Api, engine
from scripts.bench.http_client import mock_provider

_MS = 1000
_FEW = "few"
_PAUSE_SECONDS = 0.05


@dataclass
class Watched:
    """What was seen while the rows were made."""

    build_seconds: float = 0.0
    sent_at_the_end: int = 0
    calls_seconds: list[float] = field(default_factory=list)


async def _ask(api: Api, calls_seconds: list[float]) -> None:
    request = client_service_pb2.GetClientRequest(client_id=1)
    while True:
        began = time.perf_counter()
        await api.clients.GetClient(request)
        calls_seconds.append(time.perf_counter() - began)


async def _watch(api: Api, mailing_id: int, began: float) -> Watched:
    watched = Watched()
    asking = asyncio.create_task(_ask(api, watched.calls_seconds))
    mailing = await api.wait(mailing_id, lambda seen: seen.audience_state == mailing_pb2.AUDIENCE_STATE_READY)
    watched.build_seconds = time.perf_counter() - began
    watched.sent_at_the_end = mailing.message_counts.sent
    asking.cancel()
    await asyncio.wait([asking])
    return watched


async def first_text_seconds(api: Api, mailing: mailing_pb2.Mailing) -> float:
    """From the registration to the first answer of the provider, by the engine's own clock."""
    request = message_service_pb2.ListMessagesRequest(
        mailing_id=mailing.id, page_size=1000, status=message_pb2.MESSAGE_STATUS_SENT
    )
    await api.wait(mailing.id, lambda seen: seen.message_counts.sent > 0)
    sent = (await api.messages.ListMessages(request)).messages
    first = min(message.sent_time.ToMicroseconds() for message in sent)
    return (first - mailing.create_time.ToMicroseconds()) / 1e6


async def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    clients = arguments.clients
    with mock_provider(arguments.latency_seconds) as url:
        async with engine(url) as api:
            seconds = await api.add_clients(clients)
            print(f"import            {clients:,} clients in {seconds:.1f} s, {clients / seconds:,.0f}/s")
            await api.get((await api.register("nobody")).id)  # so that no first call is measured
            began = time.perf_counter()
            mailing = await api.register()
            create_seconds = time.perf_counter() - began
            watched = await _watch(api, mailing.id, began)
            first_seconds = await first_text_seconds(api, mailing)
    print(f"CreateMailing     {create_seconds * _MS:.1f} ms")
    print(f"first text sent   {first_seconds * _MS:.0f} ms after it")
    print(f"rows              {clients / watched.build_seconds:,.0f}/s, {watched.build_seconds:.2f} s in all")
    print(f"sent meanwhile    {watched.sent_at_the_end:,}")
    calls = watched.calls_seconds
    p50, p99 = statistics.median(calls) * _MS, statistics.quantiles(calls, n=100)[98] * _MS
    print(f"GetClient         {len(calls):,} calls: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(calls) * _MS:.1f} ms")


async def run_few(arguments: argparse.Namespace) -> None:
    """Measure and print how long the first text of a mailing for a few of all clients takes."""
    seconds: list[float] = []
    with mock_provider(0.0) as url:
        async with engine(url) as api:
            # In two parts, so that the few are not the first ones.
            half = arguments.clients // 2
            await api.add_clients(half)
            await api.add_clients(arguments.few, half, _FEW)
            await api.add_clients(arguments.clients - half - arguments.few, half + arguments.few)
            for _ in range(arguments.rounds):
                mailing = await api.register(_FEW)
                seconds.append(await first_text_seconds(api, mailing))
                await asyncio.sleep(_PAUSE_SECONDS)
    p50_ms, p99_ms = statistics.median(seconds) * _MS, statistics.quantiles(seconds, n=100)[98] * _MS
    print(f"{arguments.few} of {arguments.clients:,}, {arguments.rounds} times")
    print(f"first text sent   p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, max {max(seconds) * _MS:.1f} ms after it")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--latency-seconds", type=float, default=0.02, help="of the provider (0.02)")
    parser.add_argument("--few", type=int, default=0, help="how many the mailings are for (0: all, once)")
    parser.add_argument("--rounds", type=int, default=100, help="mailings for a few (100)")
    arguments = parser.parse_args()
    asyncio.run(run_few(arguments) if arguments.few else run(arguments))


if __name__ == "__main__":
    main()
