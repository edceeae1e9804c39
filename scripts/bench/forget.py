"""Whether removing what mailings of long ago have left slows sending (MAILING_KEEP_DAYS).

    python scripts/bench/forget.py --messages 20000 --old 100000 --rounds 5

In turns the whole engine delivers the same number of messages from a SQLite file in which a mailing of a year ago has
``--old`` messages: with these kept, and with these being removed. Compare the ratio, not the seconds; the mock provider
has its own core, as in ``deliver.py``.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "proto"))
sys.path.insert(0, str(ROOT))  # run as a file, from any folder

from common import logs, process
from engine.store.store import Store
from scripts.bench.deliver import Kind, Speed, engine_rate
from scripts.bench.http_client import mock_provider

_YEAR_US = 365 * 86_400_000_000
_KEPT = "SELECT count(*) FROM message WHERE mailing_id = 1"


async def prepare(file: Path, old: int) -> None:
    """A database with a mailing of a year ago, whose messages were sent."""
    await (await Store.open(f"sqlite://{file}")).close()
    then_us = time.time_ns() // 1000 - _YEAR_US
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(
            "INSERT INTO mailing (id, text, start_us, end_us, on_uncertain, audience_ready, create_us, update_us,"
            " audience_filter) VALUES (1, 'old', ?, ?, 'resend', TRUE, ?, ?, '{}')",
            (then_us, then_us + 1, then_us, then_us),
        )
        db.execute("INSERT INTO mailing_counters (mailing_id, sent) VALUES (1, ?)", (old,))
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO message (mailing_id, status, attempt, create_us, started_us, finished_us, http_status,"
            " text_version, provider_id) SELECT 1, 3, 1, ?, ?, ?, 200, 1, 1 FROM n",
            (old, then_us, then_us, then_us),
        )


async def one(url: str, arguments: argparse.Namespace, keep_days: str) -> tuple[Speed, int]:
    """Deliver beside the old messages; return how fast, and how many of these were removed meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        await prepare(file, arguments.old)
        sizes = arguments.messages, arguments.workers, arguments.workers * 5
        speed = await engine_rate(url, *sizes, Path(folder), Kind(keep_days=keep_days))
        with closing(sqlite3.connect(file)) as db:
            (kept,) = db.execute(_KEPT).fetchone()
        return speed, arguments.old - kept


async def run(arguments: argparse.Namespace) -> None:
    """Both in turns."""
    ratios, cpu_ratios = [], []
    with mock_provider(arguments.latency_seconds) as url:
        for number in range(arguments.rounds):
            found = {}
            for keep_days in ("0", "30") if number % 2 else ("30", "0"):
                found[keep_days] = await one(url, arguments, keep_days)
            (kept, _), (removing, removed) = found["0"], found["30"]
            ratios.append(removing.per_second / kept.per_second)
            cpu_ratios.append(kept.cpu_us / removing.cpu_us)
            print(
                f"round {number + 1}: kept {kept.per_second:,.0f}/s ({kept.cpu_us:.0f} us)   removing"
                f" {removing.per_second:,.0f}/s ({removing.cpu_us:.0f} us)   {removed:,} removed   {ratios[-1]:.2f}"
            )
    by_cpu = statistics.median(cpu_ratios)
    print(f"ratio: median {statistics.median(ratios):.2f}; by processor time {by_cpu:.2f}, of {sorted(cpu_ratios)}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--old", type=int, default=100_000, help="messages of the old mailing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=128)
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    os.sched_setaffinity(0, {0})
    logs.configure(level="warning")
    process.tune()
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
