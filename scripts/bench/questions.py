"""How much of its speed the engine keeps while a viewer asks what costs much (docs/behaviour.md, rule 8).

    python scripts/bench/questions.py --clients 300000 --asking 50

An engine with a SQLite file in a process of its own sends to a mock provider. First nobody asks anything; then
``--asking`` previews are in flight all the time, each for 1,000 tags (and with ``--codes`` for 100 operator codes as
well, which no index serves), all of them alike or, with ``--different``, no two alike. It prints the speed of both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from grpc import aio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from mailing.v1 import mailing_pb2, mailing_service_pb2
from scripts.bench.engine_process import Api, engine
from scripts.bench.http_client import mock_provider

_TAGS = 1_000
_CODES = 100
_WARM_SECONDS = 2.0
_POLL_SECONDS = 0.1


def _question(number: int, *, codes: bool) -> mailing_service_pb2.PreviewMailingRequest:
    mailing = mailing_pb2.Mailing(text=f"Question {number}")
    mailing.filter.tags.extend([f"tag{tag}" for tag in range(_TAGS)])
    if codes:
        mailing.filter.phone_codes.extend([str(900 + code) for code in range(_CODES)])
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    mailing.start_time.FromDatetime(today + timedelta(days=1))
    mailing.end_time.FromDatetime(today + timedelta(days=2))
    mailing.filter.tags[0] = f"other{number}"
    return mailing_service_pb2.PreviewMailingRequest(mailing=mailing)


async def _ask(api: Api, arguments: argparse.Namespace, numbers: itertools.count[int], seen: Counter[str]) -> None:
    alike = _question(0, codes=arguments.codes)
    while True:
        question = _question(next(numbers), codes=arguments.codes) if arguments.different else alike
        try:
            await api.mailings.PreviewMailing(question)
            seen["answered"] += 1
        except aio.AioRpcError as error:
            seen[error.code().name] += 1
            if error.code() is grpc.StatusCode.CANCELLED:
                return


async def _speed(api: Api, mailing_id: int, seconds: float) -> float:
    """Messages sent a second, over so many seconds."""
    await asyncio.sleep(_WARM_SECONDS)
    began, before = time.perf_counter(), (await api.get(mailing_id)).message_counts.sent
    await asyncio.sleep(seconds)
    sent = (await api.get(mailing_id)).message_counts.sent - before
    return sent / (time.perf_counter() - began)


async def _longest_wait(api: Api, waits: list[float]) -> None:
    """What a caller with a cheap question waits meanwhile."""
    while True:
        began = time.perf_counter()
        await api.get(1)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(_POLL_SECONDS)


async def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with mock_provider(arguments.latency_seconds) as url:
        async with engine(url, "--workers", str(arguments.workers)) as api:
            for tag in range(_TAGS):
                await api.add_clients(arguments.clients // _TAGS, tag * (arguments.clients // _TAGS), f"tag{tag}")
            mailing = await api.register()
            await api.wait(mailing.id, lambda seen: seen.audience_state == mailing_pb2.AUDIENCE_STATE_READY)
            alone = await _speed(api, mailing.id, arguments.seconds)
            seen: Counter[str] = Counter()
            waits: list[float] = []
            numbers = itertools.count(1)
            asking = [asyncio.create_task(_ask(api, arguments, numbers, seen)) for _ in range(arguments.asking)]
            asking.append(asyncio.create_task(_longest_wait(api, waits)))
            beside = await _speed(api, mailing.id, arguments.seconds)
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
            pending = (await api.get(mailing.id)).message_counts.pending
    print(f"nobody asks       {alone:,.0f} sent/s")
    print(f"{arguments.asking} previews       {beside:,.0f} sent/s: {beside / alone:.2f} of it")
    print(f"previews          {dict(seen)}; a GetMailing waited {max(waits):.2f} s at most")
    if not pending:
        print("too few clients: nothing was left to send")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=300_000)
    parser.add_argument("--asking", type=int, default=50, help="previews in flight (50)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement (8)")
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--latency-seconds", type=float, default=0.04, help="of the provider (0.04)")
    parser.add_argument("--codes", action="store_true", help="ask for operator codes too")
    parser.add_argument("--different", action="store_true", help="no two questions alike")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
