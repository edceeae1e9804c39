"""What a GET of one client costs through gateway and engine, beside other frameworks that read the same row.

    python3 -m venv build/bench && build/bench/bin/python -m pip install -r requirements/bench.txt
    .venv/bin/python scripts/bench/gateway.py

All servers run at once, pinned to the same core or cores: gateway and engine share them, and so do a peer's workers.
The load generator has a core of its own, unless ``--server-cores`` names that too. They take turns in short rounds, so
that whatever else the machine does hits them alike: compare the ratios (the median of the rounds' ratios) and the
processor's time a request, not the absolute numbers. The peers read the engine's own SQLite file by themselves; the
gateway asks another process over gRPC, has a token and its role checked for each request, and counts and logs it.

The peer to compare with is Django REST Framework with what ``django-admin startproject`` writes, its ORM and a
ModelSerializer as in its tutorial, under gunicorn. The others show what else there is: without all that Django does
around a view, with connections kept open, without an ORM. ``peers/`` says what each one is spared.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder

from scripts import make_clients
from scripts.bench.http_load import BadAnswer, Round, get, load
from scripts.bench.service_process import Running, awaited, cpu_seconds, process, service

OURS: Final = "gateway + engine"
_PEERS: Final = Path(__file__).with_name("peers")
_PEERS_PYTHON: Final = Path(__file__).resolve().parents[2] / "build/bench/bin/python"
"""Not ours: the panel's wing is found by our own installation, which requirements/bench.txt is not."""
_LISTENS: Final = re.compile(r"(?:Listening at:|running on) http://(127\.0\.0\.1:\d+)")
_LISTEN_SECONDS: Final = 10.0
_STRIDE: Final = 7919  # a prime: the requests walk over the whole table, in no order that a cache would like


@dataclass(slots=True)
class Candidate:
    """A server that is being measured."""

    name: str
    address: str
    requests: list[bytes]
    pids: Sequence[int]
    """Its processes; those that they have started belong to it too."""
    rounds: list[Round] = field(default_factory=list)
    cpu_seconds: float = 0.0
    """Of the processors, in all rounds."""

    def cpu_so_far(self) -> float:
        """What its processes have used of the processors since they were started, seconds."""
        return sum(cpu_seconds(pid) for pid in self.pids)

    def rates(self) -> list[float]:
        """Answers a second, by round."""
        return [each.per_second for each in self.rounds]

    def quantile_ms(self, percent: int) -> float:
        """The median of the rounds' quantiles."""
        return statistics.median(each.quantile_ms(percent) for each in self.rounds)

    def cpu_us(self) -> float:
        """Microseconds of the processors a request."""
        return self.cpu_seconds / sum(len(each.latencies_seconds) for each in self.rounds) * 1e6


def missing(python: str, modules: Sequence[str]) -> list[str]:
    """Which of the modules this Python does not have: all of them when there is no such Python."""
    if shutil.which(python) is None:
        return list(modules)
    found = f"import importlib.util as u; print(*[m for m in {list(modules)!r} if u.find_spec(m) is None])"
    return subprocess.run([python, "-c", found], capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def _peer(
    python: str, name: str, flags: Sequence[str], variant: str, running: Running, cores: frozenset[int]
) -> Iterator[tuple[str, int]]:
    log = running.database.with_name(f"{name}.log")
    extra = {"BENCH_DATABASE": str(running.database), "BENCH_VARIANT": variant, "PYTHONPATH": str(_PEERS)}
    with process([python, "-m", *flags], log, extra, cores) as started:
        address = awaited(started, log, _LISTENS)
        _wait_for(address)
        yield address, started.pid


def _wait_for(address: str) -> None:
    """Return when somebody listens: uvicorn says so before its workers do. Raises OSError when nobody does in time."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + _LISTEN_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=_LISTEN_SECONDS).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _gunicorn(cores: int, *, kept: bool) -> list[str]:
    """As gunicorn's documentation recommends: 2 x cores + 1 workers. ``kept``: HTTP connections stay open."""
    worker = ["--worker-class", "gthread", "--threads", "4"] if kept else []
    return ["gunicorn", "--bind", "127.0.0.1:0", "--workers", str(2 * cores + 1), *worker, "drf_service:application"]


def _uvicorn(cores: int) -> list[str]:
    flags = ["--port", "0", "--no-access-log", "--workers", str(cores)]
    return ["uvicorn", "fastapi_service:application", *flags]


def _candidates(
    arguments: argparse.Namespace, running: Running, cores: frozenset[int], stack: ExitStack
) -> list[Candidate]:
    paths = [f"/api/v1/clients/{1 + n * _STRIDE % arguments.clients}" for n in range(min(arguments.clients, 10_000))]
    count = len(cores)
    peers = {
        "DRF, Django's defaults": (["django", "rest_framework", "gunicorn"], _gunicorn(count, kept=False), "defaults"),
        "DRF, tuned": (["django", "rest_framework", "gunicorn"], _gunicorn(count, kept=False), "tuned"),
        "DRF, tuned, threads": (["django", "rest_framework", "gunicorn"], _gunicorn(count, kept=True), "tuned"),
        "FastAPI, raw SQL": (["fastapi", "uvicorn"], _uvicorn(count), ""),
    }
    ours = [get(path, running.address, running.token) for path in paths]
    candidates = [Candidate(OURS, running.address, ours, (running.gateway_pid, running.engine_pid))]
    for name, (modules, flags, variant) in peers.items():
        if absent := missing(arguments.peers_python, modules):
            print(
                f"{name}: not measured, {arguments.peers_python} has no {', '.join(absent)}: see the top of this file"
            )
            continue
        log_name = re.sub(r"\W+", "-", name)
        address, pid = stack.enter_context(_peer(arguments.peers_python, log_name, flags, variant, running, cores))
        candidates.append(Candidate(name, address, [get(path, address) for path in paths], (pid,)))
    return candidates


def add_clients(running: Running, count: int) -> None:
    """Import made-up clients through the gateway.

    Raises:
        SystemExit: not all of them were stored.
    """
    body = "\n".join([make_clients.HEADER, *make_clients.rows(count, seed=1)]).encode()
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "text/csv"}
    request = urllib.request.Request(f"http://{running.address}/api/v1/clients/import", body, headers)
    answer = _json(request)
    if answer["created"] != count:
        raise SystemExit(f"{answer['created']} of {count} clients were imported: {answer['errors'][:3]}")


def _check_alike(candidates: Sequence[Candidate], token: str) -> None:
    """All of them must show the same client before any is measured."""
    seen = {}
    for candidate in candidates:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"} if candidate.name == OURS else {}
        client = _json(urllib.request.Request(f"http://{candidate.address}/api/v1/clients/5", headers=headers))
        fields = ("id", "phone_number", "phone_code", "tag", "time_zone")
        seen[candidate.name] = tuple(str(client[name]) for name in fields)
    if len(set(seen.values())) != 1:
        raise SystemExit(f"they don't show the same client: {seen}")


def _json(request: urllib.request.Request) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # our own ports
    with opener.open(request, timeout=60) as answer:
        read: dict[str, Any] = json.load(answer)
        return read


async def _measure(candidates: Sequence[Candidate], arguments: argparse.Namespace) -> None:
    for round_ in range(arguments.rounds + 1):
        for candidate in candidates:
            before = candidate.cpu_so_far()
            try:
                measured = await load(
                    candidate.address, candidate.requests, arguments.in_flight, arguments.round_seconds
                )
            except* BadAnswer as bad:
                raise SystemExit(f"{candidate.name} answered: {bad.exceptions[0]}") from None
            if round_ > 0:  # the first one only warms up
                candidate.rounds.append(measured)
                candidate.cpu_seconds += candidate.cpu_so_far() - before


def _print(candidates: Sequence[Candidate]) -> None:
    ours = candidates[0].rates()
    for candidate in candidates:
        rates = candidate.rates()
        ratio = statistics.median(one / other for one, other in zip(ours, rates, strict=True))
        print(
            f"{candidate.name:<24}{statistics.median(rates):7,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f}),"
            f" p50 {candidate.quantile_ms(50):.1f} ms, p99 {candidate.quantile_ms(99):.1f} ms,"
            f" CPU {candidate.cpu_us():,.0f} us a request; gateway / this: {ratio:.2f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000, help="rows in the table (10000)")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at the same time (32)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-seconds", type=float, default=3.0)
    parser.add_argument("--load-core", type=int, default=0, help="of the load generator (0)")
    parser.add_argument("--server-cores", type=int, nargs="+", help="of the servers (all the others)")
    parser.add_argument("--peers-python", default=str(_PEERS_PYTHON), help="a Python that has requirements/bench.txt")
    arguments = parser.parse_args()
    others = os.sched_getaffinity(0) - {arguments.load_core} or {arguments.load_core}
    cores = frozenset(arguments.server_cores or others)
    with ExitStack() as stack:
        running = stack.enter_context(service(cores=cores))
        add_clients(running, arguments.clients)
        candidates = _candidates(arguments, running, cores, stack)
        _check_alike(candidates, running.token)
        os.sched_setaffinity(0, {arguments.load_core})
        print(f"{arguments.in_flight} in flight, servers on core {', '.join(map(str, sorted(cores)))}:")
        uvloop.run(_measure(candidates, arguments))
        _print(candidates)


if __name__ == "__main__":
    main()
