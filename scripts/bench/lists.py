"""How long lists, filters, deep pages and the dashboard take with a million clients and a million messages, over gRPC.

    python scripts/bench/lists.py [--clients 1000000] [--messages 1000000] [--database FILE] [--keep FILE]

Prints for each kind of call the worst and the median of its calls, the slowest kind first, and then how long a small
call has to wait at worst while the dear ones are made: a SQLite file has one connection that reads.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import uvloop
from google.protobuf.message import Message
from grpc import aio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder

from mailing.v1 import (
    client_service_pb2,
    engine_service_pb2,
    engine_service_pb2_grpc,
    mailing_service_pb2,
    message_pb2,
    message_service_pb2,
)
from scripts.bench.engine_process import Api, engine
from scripts.bench.million import FIRST_PHONE, fill

_PAGE_SIZE: Final = 50
_NOBODY: Final = "http://127.0.0.1:9"
"""No call is made: all mailings are paused."""
_SHARES: Final = {"first": 0.0, "middle": 0.5, "last": 1.0}
Call = Callable[[], Awaitable[Any]]


def _client_filters() -> Iterator[dict[str, Any]]:
    yield {}
    values = {"tag": "", "phone_code": "916", "time_zone": "Europe/Moscow"}
    for used in product((False, True), repeat=len(values)):
        chosen = {name: value for (name, value), use in zip(values.items(), used, strict=True) if use}
        if chosen:
            yield chosen
            yield {**chosen, "phone_contains": "123"}
    yield {"tag": "rare"}
    yield {"tag": "nobody has it"}
    for part in ("123", "+7 (916) 12", "1234567", "79000000000", "900"):
        yield {"phone_contains": part}
    yield {"phone_number": str(FIRST_PHONE)}


def _message_filters(mailing_id: int) -> Iterator[dict[str, Any]]:
    statuses = range(len(message_pb2.MessageStatus.values()))
    reasons = range(len(message_pb2.NotSentReason.values()))
    for mailing, status, reason in product((None, mailing_id, mailing_id + 1), statuses, reasons):
        chosen = {"status": status, "reason": reason}
        yield chosen if mailing is None else {**chosen, "mailing_id": mailing}
    yield {"client_id": 77_777}
    yield {"client_id": 77_777, "mailing_id": mailing_id, "status": message_pb2.MESSAGE_STATUS_SENT}


def _named(kind: str, filters: dict[str, Any], where: str) -> str:
    return f"{kind}({', '.join(f'{name}={value}' for name, value in filters.items() if value not in (0,))}) {where}"


async def _list_calls(api: Api, mailing_id: int) -> dict[str, Call]:
    """Each list with each filter: its first, its middle and its last page, in both orders."""
    kinds: tuple[tuple[Callable[..., Awaitable[Any]], Callable[..., Message], list[dict[str, Any]]], ...] = (
        (api.clients.ListClients, client_service_pb2.ListClientsRequest, list(_client_filters())),
        (api.messages.ListMessages, message_service_pb2.ListMessagesRequest, list(_message_filters(mailing_id))),
        (api.mailings.ListMailings, mailing_service_pb2.ListMailingsRequest, [{}, {"state": 3}]),
    )
    calls: dict[str, Call] = {}
    for method, request_type, filters in kinds:
        for chosen in filters:
            total = (await method(request_type(page_size=1, **chosen))).total_size
            for where, share in _SHARES.items():
                skip = max(0, min(int(total * share), total - _PAGE_SIZE))
                for order_by in ("", "id desc"):
                    request = request_type(page_size=_PAGE_SIZE, skip=skip, order_by=order_by, **chosen)
                    name = _named(
                        request.DESCRIPTOR.name.removesuffix("Request"), chosen, f"{where} {order_by}".strip()
                    )
                    calls[name] = _calling(method, request)
    return calls


def _calling(method: Callable[..., Awaitable[Any]], request: Message) -> Call:
    return lambda: method(request)


async def _milliseconds(call: Call) -> float:
    begin = time.perf_counter()
    await call()
    return (time.perf_counter() - begin) * 1e3


async def _measure(calls: dict[str, Call], rounds: int, shown: int) -> None:
    """Round after round, not one call after the other: what a page needs has been read out of the cache meanwhile."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(await _milliseconds(call))
    every = sorted(each for times in taken.values() for each in times)
    print(
        f"{len(taken)} kinds of lists, {rounds} rounds: worst {every[-1]:.1f} ms, p99 {every[-len(every) // 100]:.1f},",
        end="",
    )
    print(f" median {statistics.median(every):.1f}; the worst kinds (worst, median):")
    for name, times in sorted(taken.items(), key=lambda item: -max(item[1]))[:shown]:
        print(f"  {max(times):7.1f} {statistics.median(times):7.1f} ms  {name}")


async def _beside(name: str, dear: Call, small: Call, rest_seconds: float, rounds: int) -> None:
    """Time a dear call, and small ones beside it."""
    own, waits = [], []
    for _ in range(rounds):
        await asyncio.sleep(rest_seconds)
        running = asyncio.ensure_future(_milliseconds(dear))
        while not running.done():
            waits.append(await _milliseconds(small))
            await asyncio.sleep(0.001)
        own.append(running.result())
    worst, median = max(own), statistics.median(own)
    print(f"{name}: worst {worst:.1f} ms, median {median:.1f}; GetClient beside it at worst {max(waits):.1f}")


async def _dear_calls(api: Api, channel: aio.Channel, mailing_id: int) -> None:
    stub = engine_service_pb2_grpc.EngineServiceStub(channel)
    small = _calling(api.clients.GetClient, client_service_pb2.GetClientRequest(client_id=5))
    facets = _calling(api.clients.ListClientFacets, client_service_pb2.ListClientFacetsRequest())
    overview = _calling(stub.GetOverview, engine_service_pb2.GetOverviewRequest())
    stats = _calling(api.mailings.GetMailingStats, mailing_service_pb2.GetMailingStatsRequest(mailing_id=mailing_id))
    print(f"GetMailingStats of the large mailing, the first one: {await _milliseconds(stats):.1f} ms")
    await _beside("ListClientFacets, each made anew", facets, small, 5.2, 5)
    await _beside("ListClientFacets, kept", facets, small, 0.0, 20)
    await _beside("GetOverview, every 2 seconds", overview, small, 2.0, 10)
    await _beside("GetOverview, kept", overview, small, 0.0, 20)
    await _beside("GetMailingStats of the large mailing", stats, small, 0.5, 20)


async def _run(arguments: argparse.Namespace, database: Path) -> None:
    if arguments.database is None:
        await fill(database, arguments.clients, arguments.messages)
    async with engine(_NOBODY, "--database-url", f"sqlite://{database}") as api:
        calls = await _list_calls(api, 1)
        await _measure(calls, arguments.rounds, arguments.shown)
        await _dear_calls(api, api.channel, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shown", type=int, default=15, help="how many of the slowest kinds are printed (15)")
    parser.add_argument("--database", type=Path, help="a file that an earlier run has made (--keep)")
    parser.add_argument("--keep", type=Path, help="make the file here, and leave it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_run(arguments, arguments.database or arguments.keep or Path(folder, "mailing.db")))


if __name__ == "__main__":
    main()
