"""A million clients as one CSV through POST /api/v1/clients/import: how fast, in how much memory, and whom it holds up.

    python scripts/bench/import_clients.py --clients 1000000
    python scripts/bench/import_clients.py --bad-every 7
    python scripts/bench/import_clients.py --attributes 10

Engine and gateway are processes of their own, with an empty SQLite file. Meanwhile one caller asks for a client at a
steady pace. The exit code is 1 when a limit is passed: 200 MiB for either process, 250 ms for the caller's p99.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder

from scripts import make_clients
from scripts.bench.http_load import get, load
from scripts.bench.service_process import Running, cpu_seconds, peak_mib, service

MEMORY_MIB: Final = 200.0
P99_MS: Final = 250.0
_MS: Final = 1000
_BLOCK: Final = 64 * 1024
_ASKED: Final = b'{"phone_number": "70000000001", "tag": "asked for"}'  # no number of make_clients begins so
_ATTRIBUTES: Final = tuple(
    f"attributes.{name}"
    for name in ("city", "name", "visits", "spent", "vip", "last_visit", "store", "email", "card", "gender")
)
_BAD_ROWS: Final = ("7916,916,new,Europe/Moscow", "79161234567,916,new,Nowhere/Land", "x,,,")


@dataclass(frozen=True, slots=True)
class Imported:
    """What the import's answer said, and how long it took."""

    seconds: float
    answer: dict[str, Any]


def write_csv(path: Path, clients: int, bad_every: int, attributes: int = 0) -> int:
    """Write so many rows with so many attributes; each ``bad_every``-th is bad (0: none). Returns how many are bad."""
    bad = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(",".join([make_clients.HEADER, *_ATTRIBUTES[:attributes]]) + "\n")
        for number, row in enumerate(make_clients.rows(clients, seed=1), 1):
            if bad_every and number % bad_every == 0:
                row = _BAD_ROWS[bad % len(_BAD_ROWS)]
                bad += 1
            elif attributes:
                row = ",".join([row, *_cells(number)[:attributes]])
            out.write(row + "\n")
    return bad


def _cells(number: int) -> list[str]:
    """Of each of ``_ATTRIBUTES`` one: texts, numbers and a flag."""
    day = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return [
        ("Омск", "Москва", "Тверь", "Санкт-Петербург")[number % 4],
        f"Мария {number}",
        str(number % 100),
        f"{number % 9999}.5",
        "true" if number % 7 else "false",
        day,
        f"№ {number % 100}",
        f"user{number}@example.com",
        str(10**9 + number),
        "f" if number % 2 else "m",
    ]


async def request(running: Running, head: str, body: Path | bytes) -> dict[str, Any]:
    """POST; the body in blocks, as fast as they are taken. Returns the answer's JSON.

    Raises:
        RuntimeError: the answer was no 2xx; the text is its body.
    """
    host, _, port = running.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    length = len(body) if isinstance(body, bytes) else os.stat(body).st_size
    lines = [head, f"Host: {running.address}", f"Authorization: Bearer {running.token}", f"Content-Length: {length}"]
    writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
    with suppress(ConnectionError):  # refused half-way: the answer says why
        await _write(writer, body)
    answer = await reader.read()
    writer.close()
    top, _, content = answer.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in top.lower():
        content = _unchunked(content)
    if not top.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(answer[:1000].decode(errors="replace"))
    read: dict[str, Any] = orjson.loads(content)
    return read


async def _write(writer: asyncio.StreamWriter, body: Path | bytes) -> None:
    if isinstance(body, bytes):
        writer.write(body)
        return
    with body.open("rb") as file:
        while block := file.read(_BLOCK):
            writer.write(block)
            await writer.drain()


def _unchunked(content: bytes) -> bytes:
    whole, rest = b"", content
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return whole


async def _ask(running: Running, client_id: int, every_seconds: float, seen_seconds: list[float]) -> None:
    """GET one client at a steady pace until cancelled. A late answer is counted from when it was to be asked."""
    asked = [get(f"/api/v1/clients/{client_id}", running.address, running.token)]
    due = time.perf_counter()
    while True:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await load(running.address, asked, in_flight=1, seconds=1e-9)
        seen_seconds.append(time.perf_counter() - due)
        due += every_seconds


async def _import(running: Running, csv: Path, every_seconds: float) -> tuple[Imported, list[float]]:
    client = await request(running, "POST /api/v1/clients HTTP/1.1\r\nContent-Type: application/json", _ASKED)
    seen_seconds: list[float] = []
    asking = asyncio.create_task(_ask(running, client["id"], every_seconds, seen_seconds))
    await asyncio.sleep(0.5)  # first calls are not measured
    seen_seconds.clear()
    began = time.perf_counter()
    answer = await request(running, "POST /api/v1/clients/import HTTP/1.1\r\nContent-Type: text/csv", csv)
    imported = Imported(time.perf_counter() - began, answer)
    if asking.done():
        asking.result()  # raises what has ended it
    asking.cancel()
    await asyncio.wait([asking])
    return imported, seen_seconds


def _limit(value: float, limit: float, unit: str) -> str:
    return f"{value:.0f} {unit} ({'under' if value < limit else 'NOT UNDER'} {limit:.0f})"


def _print(running: Running, clients: int, imported: Imported, seen_seconds: Sequence[float]) -> bool:
    """Returns whether every limit was kept."""
    answer, p99_ms = imported.answer, statistics.quantiles(seen_seconds, n=100, method="inclusive")[98] * _MS
    engine_mib, gateway_mib = peak_mib(running.engine_pid), peak_mib(running.gateway_pid)
    counts = ", ".join(f"{answer[name]:,} {name}" for name in ("created", "updated", "unchanged", "rejected"))
    print(f"import       {clients:,} rows in {imported.seconds:.1f} s, {clients / imported.seconds:,.0f}/s")
    used = [
        (name, cpu_seconds(pid)) for name, pid in (("engine", running.engine_pid), ("gateway", running.gateway_pid))
    ]
    print(f"             CPU {', '.join(f'{seconds:.1f} s {name}' for name, seconds in used)}, from their starts")
    print(f"             {counts}; {len(answer['errors']):,} errors listed")
    print(f"gateway      peak {_limit(gateway_mib, MEMORY_MIB, 'MiB')}")
    print(f"engine       peak {_limit(engine_mib, MEMORY_MIB, 'MiB')}")
    p50_ms, max_ms = statistics.median(seen_seconds) * _MS, max(seen_seconds) * _MS
    calls = f"{len(seen_seconds):,} calls meanwhile: p50 {p50_ms:.1f} ms, p99 {_limit(p99_ms, P99_MS, 'ms')}"
    print(f"GET a client {calls}, max {max_ms:.0f} ms")
    return max(engine_mib, gateway_mib) < MEMORY_MIB and p99_ms < P99_MS


def run(arguments: argparse.Namespace) -> bool:
    """Measure and print; returns whether every limit was kept."""
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder, "clients.csv")
        bad = write_csv(csv, arguments.clients, arguments.bad_every, arguments.attributes)
        with service() as running:
            imported, seen_seconds = uvloop.run(_import(running, csv, arguments.ask_every_seconds))
            kept = _print(running, arguments.clients, imported, seen_seconds)
    found = (imported.answer["created"], imported.answer["rejected"])
    if found != (arguments.clients - bad, bad):
        raise SystemExit(f"created and rejected should be {(arguments.clients - bad, bad)}, not {found}")
    return kept


def main() -> int:
    """Parse the arguments and run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--bad-every", type=int, default=0, help="each such line is bad (0: none)")
    parser.add_argument("--attributes", type=int, default=0, choices=range(len(_ATTRIBUTES) + 1), help="of each client")
    parser.add_argument("--ask-every-seconds", type=float, default=0.01, help="pace of the caller (0.01)")
    return 0 if run(parser.parse_args()) else 1


if __name__ == "__main__":
    sys.exit(main())
