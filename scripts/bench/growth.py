"""What becomes slower as the database grows: messages, clients, mailings, one of them at a time (docs/performance.md).

    python scripts/bench/growth.py
    python scripts/bench/growth.py --messages 10000 100000 --clients 10000 --mailings 20 --rounds 5

For each size a SQLite file is filled as an engine would have left it; an engine in a process of its own is started on
it, and asked. The last column of each table is what the largest size costs, of what the smallest one does.
The import of one client asks every open mailing whether it matches, so its work grows with the open mailings.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from engine.store.store import Store
from mailing.v1 import client_service_pb2, mailing_service_pb2, message_pb2, message_service_pb2
from scripts.bench import results
from scripts.bench.engine_process import Api, engine
from scripts.bench.http_client import mock_provider
from scripts.bench.million import SMALL_MAILINGS, fill
from scripts.bench.register import first_text_seconds
from scripts.bench.service_process import cpu_seconds
from scripts.bench.store_work import work
from scripts.processes import hear_signals

_LARGE: Final = 1
"""The mailing that ``fill`` makes first: it has nearly all messages."""
_FEW: Final = 10
_FEW_PHONE: Final = 900_000_000
"""Beyond those that ``fill`` takes, from the first number on."""
_IMPORTED_PHONE: Final = 79_950_000_000
_CLAIMED: Final = 10_000
_TIMELINE_STEPS: Final = 360
"""An hour: how long a mailing has been sending is another question."""
_MS: Final = 1_000
_SETTLED_SECONDS: Final = 2.0
_DAY_US: Final = 86_400_000_000
_FURTHER: Final = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO mailing (text, start_us, end_us, on_uncertain, audience_ready, audience_cursor, create_us, update_us,
    audience_filter, audience_us, milestones, finished_count)
SELECT 'further mailing ' || i, :now_us + CASE i % 3 WHEN 0 THEN -:day WHEN 1 THEN :day ELSE -2 * :day END,
    :now_us + CASE i % 3 WHEN 0 THEN :day WHEN 1 THEN 2 * :day ELSE -:day END + i, 'resend', 1, 9000000000, :now_us,
    :now_us, '{"tags": ["tag further ' || i || '"]}', :now_us,
    CASE i % 3 WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 5 END, 0 FROM n WHERE :count > 0
"""
"""In turns open, scheduled and ended, for tags that nobody has; what there was to tell of them was told."""
_COUNTERS: Final = "INSERT INTO mailing_counters (mailing_id) SELECT id FROM mailing WHERE id > :last"


@dataclass(frozen=True, slots=True)
class Size:
    """Of a database."""

    messages: int
    clients: int
    mailings: int


async def fill_whole(path: Path, size: Size) -> None:
    """Make the file."""
    await fill(path, size.clients, min(size.messages, size.clients), timeline_steps=_TIMELINE_STEPS)
    now_us = time.time_ns() // 1_000
    with closing(sqlite3.connect(path)) as connection, connection:
        last = 1 + SMALL_MAILINGS
        count = max(0, size.mailings - last)
        connection.execute(_FURTHER, {"count": count, "now_us": now_us, "day": _DAY_US})
        connection.execute(_COUNTERS, {"last": last})
    store = await Store.open(f"sqlite://{path}")
    try:
        await store.read_breakdown(_LARGE, now_us)
    finally:
        await store.close()


async def _median_ms(ask: Callable[[int], Awaitable[object]], rounds: int) -> float:
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        await ask(number)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * _MS


async def _import_one(api: Api, number: int) -> None:
    async def rows() -> AsyncIterator[client_service_pb2.ImportClientsRequest]:
        row = client_service_pb2.ImportClientsRow(phone_number=str(_IMPORTED_PHONE + number))
        yield client_service_pb2.ImportClientsRequest(rows=[row])

    answer = await api.clients.ImportClients(rows())
    if answer.created != 1:
        raise SystemExit(f"one client was to be imported: {answer}")


async def _stats(api: Api, _number: int) -> None:
    await api.mailings.GetMailingStats(mailing_service_pb2.GetMailingStatsRequest(mailing_id=_LARGE))


async def _first_text_ms(api: Api, rounds: int) -> float:
    await api.add_clients(_FEW, _FEW_PHONE, "few")
    return statistics.median([await first_text_seconds(api, await api.register("few")) for _ in range(rounds)]) * _MS


async def _asked(api: Api, arguments: argparse.Namespace) -> dict[str, float]:
    """All that is asked of an engine that runs."""
    pid, found = api.process.pid, {}
    await asyncio.sleep(arguments.ahead_seconds)
    found["statistics, first, ms"] = await _median_ms(lambda n: _stats(api, n), 1)
    found["statistics, again, ms"] = await _median_ms(lambda n: _stats(api, n), arguments.rounds)
    await asyncio.sleep(_SETTLED_SECONDS)
    began, before = time.perf_counter(), cpu_seconds(pid)
    await asyncio.sleep(arguments.idle_seconds)
    found["ticks, % of a core"] = (cpu_seconds(pid) - before) / (time.perf_counter() - began) * 100
    sent = message_pb2.MESSAGE_STATUS_SENT
    lists: dict[str, Callable[[int], Awaitable[object]]] = {
        "list of clients, ms": lambda _: api.clients.ListClients(client_service_pb2.ListClientsRequest()),
        "list by tag, ms": lambda _: api.clients.ListClients(client_service_pb2.ListClientsRequest(tag="vip")),
        "list of mailings, ms": lambda _: api.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest()),
        "list of messages, ms": lambda _: api.messages.ListMessages(
            message_service_pb2.ListMessagesRequest(mailing_id=_LARGE, status=sent)
        ),
    }
    for name, ask in lists.items():
        found[name] = await _median_ms(ask, arguments.rounds)
    found["import of one client, ms"] = await _median_ms(lambda n: _import_one(api, n), arguments.rounds)
    found["first call after registering, ms"] = await _first_text_ms(api, arguments.rounds)
    return found


async def _claimed(path: Path) -> dict[str, float]:
    """What a message costs the store, without an engine."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE mailing SET paused = 0 WHERE id = ?", (_LARGE,))
    store = await Store.open(f"sqlite://{path}")
    try:
        done = await work(store, _LARGE, _CLAIMED)
    finally:
        await store.close()
    each = 1e6 / max(done.messages, 1)
    return {"claim, us a message": done.claim_seconds * each, "outcome, us a message": done.record_seconds * each}


async def measure(size: Size, arguments: argparse.Namespace) -> dict[str, float]:
    """One size."""
    with tempfile.TemporaryDirectory(prefix="mailing-growth-") as folder, mock_provider(0.0) as url:
        path = Path(folder, "mailing.db")
        await fill_whole(path, size)
        starts = []
        found: dict[str, float] = {}
        at_once: dict[str, float] = {}
        for number in range(arguments.starts):
            began = time.perf_counter()
            async with engine(url, "--database-url", f"sqlite://{path}") as api:
                await api.get(_LARGE)
                starts.append(time.perf_counter() - began)
                if number == arguments.starts - 1:
                    found = await _asked(api, arguments)
                elif number == 0:
                    at_once["statistics at once after a start, ms"] = await _median_ms(lambda n: _stats(api, n), 1)
        return {
            "start until the first answer, ms": statistics.median(starts) * _MS,
            **at_once,
            **found,
            **await _claimed(path),
        }


def _table(title: str, sizes: list[int], found: list[dict[str, float]]) -> results.Table:
    rows = [
        (name, *(each[name] for each in found), found[-1][name] / found[0][name] if found[0][name] else None)
        for name in found[0]
    ]
    return results.Table(title, ("", *(f"{size:,}" for size in sizes), "last / first"), rows)


async def run(arguments: argparse.Namespace) -> list[results.Table]:
    """All sizes of all kinds."""
    base = arguments.base
    axes: dict[str, tuple[list[int], Callable[[int], Size]]] = {
        "Messages": (arguments.messages, lambda n: Size(n, max(arguments.messages), SMALL_MAILINGS)),
        "Clients": (arguments.clients, lambda n: Size(min(n, base), n, SMALL_MAILINGS)),
        "Mailings (a third each open, scheduled, ended)": (arguments.mailings, lambda n: Size(base, base, n)),
    }
    tables = []
    for title, (sizes, size_of) in axes.items():
        found = []
        for size in sizes:
            print(f"{title}: {size:,}", flush=True)
            found.append(await measure(size_of(size), arguments))
        if found:
            tables.append(_table(title, sizes, found))
    return tables


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--clients", type=int, nargs="*", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--mailings", type=int, nargs="*", default=[21, 100, 1_000, 10_000], help="21 at least")
    parser.add_argument("--base", type=int, default=100_000, help="messages and clients of the other tables (100000)")
    parser.add_argument("--rounds", type=int, default=30, help="of each question (30)")
    parser.add_argument("--starts", type=int, default=3, help="of the engine, two at least (3)")
    parser.add_argument("--ahead-seconds", type=float, default=20.0, help="from a start to the first statistics (20)")
    parser.add_argument("--idle-seconds", type=float, default=20.0, help="of which the ticks are measured (20)")
    results.add_flags(parser)
    arguments = parser.parse_args()
    result = results.Result("growth")
    hear_signals()  # so that what was started is stopped, whatever ends this
    result.tables = asyncio.run(run(arguments))
    results.publish(result, arguments)


if __name__ == "__main__":
    main()
