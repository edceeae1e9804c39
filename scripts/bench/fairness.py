"""How long a mailing of ten waits while one of a hundred thousand is being sent (docs/behaviour.md, rule 8).

    python scripts/bench/fairness.py --huge 100000 --small 10

The small mailing is registered again and again: first alone, then beside the huge one. Counted is from the
call of CreateMailing to the provider's last answer for it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from mailing.v1 import mailing_pb2, message_service_pb2
from scripts.bench.engine_process import Api, engine
from scripts.bench.http_client import mock_provider

_MS = 1000


async def _small_seconds(api: Api, small: int) -> float:
    """Register one for the few; the seconds until the last of them is sent."""
    began = time.time()
    mailing = await api.register("few")
    await api.wait(mailing.id, lambda seen: seen.message_counts.sent == small)
    request = message_service_pb2.ListMessagesRequest(mailing_id=mailing.id, page_size=1000)
    sent = (await api.messages.ListMessages(request)).messages
    return max(message.sent_time.ToMicroseconds() for message in sent) / 1e6 - began


def _print(name: str, seconds: list[float]) -> None:
    listed = [value * _MS for value in seconds]
    print(f"{name:<22} median {statistics.median(listed):.0f} ms, max {max(listed):.0f} ms of {len(listed)}")


async def _finish(api: Api, huge: mailing_pb2.Mailing, began: float) -> None:
    counts = (await api.wait(huge.id, lambda seen: seen.message_counts.pending == 0, 0.1)).message_counts
    seconds = time.perf_counter() - began
    print(f"the huge one           {counts.sent:,} of {counts.total:,} sent in {seconds:.1f} s")


async def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with mock_provider(arguments.latency_seconds) as url:
        async with engine(url, "--workers", str(arguments.workers)) as api:
            await api.add_clients(arguments.huge)
            await api.add_clients(arguments.small, arguments.huge, tag="few")
            alone = [await _small_seconds(api, arguments.small) for _ in range(arguments.rounds)]
            began = time.perf_counter()
            huge = await api.register()
            await api.wait(huge.id, lambda seen: seen.message_counts.sent > 0)
            beside = [await _small_seconds(api, arguments.small) for _ in range(arguments.rounds)]
            left = (await api.get(huge.id)).message_counts.pending
            _print("a small one alone", alone)
            _print("beside the huge one", beside)
            print(f"pending of the huge    {left:,} when the last small one was done")
            await _finish(api, huge, began)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--huge", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--latency-seconds", type=float, default=0.02, help="of the provider (0.02)")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
