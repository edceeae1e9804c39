"""How long the answer to a cancel takes while the mailing goes out at full speed (docs/decisions/cancel.md).

    python scripts/bench/cancel.py --messages 1000000 --rounds 5

An engine with a SQLite file in a process of its own sends to a mock provider. In each round a mailing for all clients
is registered, and cancelled as soon as some texts have gone out. It prints how long that call took, and what the
answer says is over and pending; what was in flight then may be sent later.
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

from mailing.v1 import mailing_pb2, mailing_service_pb2
from scripts.bench.engine_process import Api, engine
from scripts.bench.http_client import mock_provider

_SENT_BEFORE = 5_000
_MS = 1000


async def _round(api: Api) -> float:
    """Cancel one mailing under way; returns the seconds until the answer."""
    mailing = await api.register()
    await api.wait(mailing.id, lambda seen: seen.audience_state == mailing_pb2.AUDIENCE_STATE_READY, 0.1)
    await api.wait(mailing.id, lambda seen: seen.message_counts.sent >= _SENT_BEFORE, 0.05)
    began = time.perf_counter()
    cancelled = await api.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=mailing.id))
    seconds, counts = time.perf_counter() - began, cancelled.message_counts
    await asyncio.sleep(0.5)
    later = (await api.get(mailing.id)).message_counts
    print(
        f"answer            {seconds * _MS:.0f} ms: {counts.not_sent:,} not sent, {counts.pending} pending;"
        f" {later.sent - counts.sent} sent later"
    )
    return seconds


async def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with mock_provider(arguments.latency_seconds) as url:
        async with engine(url, "--workers", str(arguments.workers)) as api:
            await api.add_clients(arguments.messages)
            seconds = [await _round(api) for _ in range(arguments.rounds)]
    median_ms, max_ms = statistics.median(seconds) * _MS, max(seconds) * _MS
    print(f"of {len(seconds)} cancels      median {median_ms:.0f} ms, max {max_ms:.0f} ms")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=128)
    parser.add_argument("--latency-seconds", type=float, default=0.02, help="of the provider (0.02)")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
