"""What the panel asks with a million clients and a million messages behind it, and how long the gateway takes.

    python scripts/bench/panel.py [--clients 1000000] [--messages 1000000] [--database FILE] [--keep FILE]

Engine and gateway are processes of their own, as in life; the questions are those of its pages, with both halves
of a session. Prints the median and the worst of each (of 5, round after round, so that no page is asked for twice in a
row), and the first of all, which finds empty caches; the slowest first. Exit code 1: a worst was over 300 ms.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvloop
from aiohttp import ClientSession, CookieJar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder

from scripts.bench.million import fill
from scripts.bench.service_process import Running, service

FLOOR_MS: Final = 300.0
_PER_PAGE: Final = 50
_LARGE: Final = 1
_PASSWORD: Final = "a password of the bench"
_FILTERS: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "clients": (
        {},
        {"tag": "vip"},
        {"tag": "rare"},
        {"tag": "nobody has it"},
        {"no_tag": True},
        {"phone_code": "916"},
        {"time_zone": "Europe/Moscow"},
        {"tag": "vip", "phone_code": "916", "time_zone": "Europe/Moscow"},
        {"phone_contains": "123"},
        {"phone_contains": "+7 (916) 12"},
        {"phone_contains": "1234567"},
        {"phone_contains": "900"},
        {"phone_contains": "123", "tag": "vip"},
        {"phone_contains": "555", "time_zone": "Asia/Omsk", "tag": "rare"},
    ),
    "messages": (
        {},
        {"mailing_id": _LARGE},
        {"mailing_id": _LARGE + 1},
        {"status": "sent"},
        {"status": "not_sent"},
        {"status": "pending"},
        {"reason": "rejected"},
        {"reason": "uncertain"},
        {"mailing_id": _LARGE, "status": "not_sent"},
        {"mailing_id": _LARGE, "reason": "uncertain"},
        {"mailing_id": _LARGE, "reason": "expired"},
        {"client_id": "77777"},
        {"client_id": "77777", "mailing_id": _LARGE, "status": "sent"},
    ),
    "mailings": ({}, {"state": "paused"}, {"state": "ended"}),
    "audit": ({}, {"actor": "bench"}),
}
_OTHERS: Final = {
    "dashboard": "/dashboard/one?id=1",
    "engine": "/engine/one?id=1",
    "facets": "/clients/facets",
    "one client": "/clients/one?id=1234",
    "100 clients by id": f"/clients?ids={json.dumps([str(each) for each in range(1000, 1100)])}",
    "one message": "/messages/one?id=1234",
    "the large mailing": f"/mailings/one?id={_LARGE}",
    "its statistics": f"/api/v1/mailings/{_LARGE}/stats",
}
"""By name: path below /admin."""


class _Panel:
    """Somebody signed in to the panel."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/admin"
        self._half = ""

    async def sign_in(self, token: str) -> None:
        """Make an account, and sign in with it; the cookie stays in the client's jar."""
        name = f"bench-{secrets.token_hex(4)}"  # a file that was kept knows the one before
        body = {"name": name, "role": "admin", "password": _PASSWORD}
        url = self._url.removesuffix("/admin")
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.post(f"{url}/api/v1/accounts", json=body, headers=headers) as made:
            made.raise_for_status()
        body = {"username": name, "password": _PASSWORD}
        async with self._http.post(f"{self._url}/token", json=body) as signed_in:
            signed_in.raise_for_status()
            self._half = signed_in.headers["X-Token"]

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> tuple[float, Any]:
        """Milliseconds up to the last byte, and the answer."""
        began = time.perf_counter()
        asked = self._http.get(self._url + path, params=query, headers={"Authorization": self._half})
        async with asked as answer:
            raw = await answer.read()
            taken = (time.perf_counter() - began) * 1e3
            if answer.status != 200:
                raise RuntimeError(f"{path} {query}: {answer.status} {raw[:500]!r}")
        return taken, json.loads(raw)


def _list_query(filters: Mapping[str, Any], page: int, per_page: int, order: str) -> dict[str, str]:
    return {
        "pagination": json.dumps({"page": page, "perPage": per_page}),
        "sort": json.dumps({"field": "id", "order": order}),
        "filter": json.dumps(filters),
    }


async def _questions(panel: _Panel) -> dict[str, tuple[str, dict[str, str] | None]]:
    """By name: path and query. Each list with each filter: first, middle and last page, both ways."""
    found: dict[str, tuple[str, dict[str, str] | None]] = {name: (path, None) for name, path in _OTHERS.items()}
    for resource, several in _FILTERS.items():
        path = f"/{resource}/list"
        for filters in several:
            _, answer = await panel.get(path, _list_query(filters, 1, 1, "ASC"))
            last = max(1, -(-answer["total"] // _PER_PAGE))
            for where, page in {"first": 1, "middle": (last + 1) // 2, "last": last}.items():
                for order in ("ASC", "DESC"):
                    name = f"{resource} {json.dumps(filters, ensure_ascii=False)} {where} {order}"
                    found[name] = (path, _list_query(filters, page, _PER_PAGE, order))
    found["clients, 1000 on a page"] = ("/clients/list", _list_query({}, 1, 1000, "ASC"))
    return found


async def _measure(running: Running, rounds: int, shown: int) -> int:
    # unsafe: cookies of an address without a name are kept, too
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        panel = _Panel(http, f"http://{running.address}")
        await panel.sign_in(running.token)
        questions = await _questions(panel)
        taken: dict[str, list[float]] = {name: [] for name in questions}
        for _ in range(rounds):
            for name, (path, query) in questions.items():
                taken[name].append((await panel.get(path, query))[0])
    every = sorted(each for times in taken.values() for each in times)
    slow = [name for name, times in taken.items() if max(times) > FLOOR_MS]
    print(f"{len(taken)} questions, {rounds} rounds: median {statistics.median(every):.1f} ms,", end=" ")
    print(f"p99 {every[-1 - len(every) // 100]:.1f}, worst {every[-1]:.1f}; above {FLOOR_MS:g} ms: {len(slow)}")
    print("  worst  median   first")
    for name, times in sorted(taken.items(), key=lambda item: -max(item[1]))[:shown]:
        print(f"{max(times):7.1f} {statistics.median(times):7.1f} {times[0]:7.1f} ms  {name}")
    return 1 if slow else 0


async def _fill(path: Path, clients: int, messages: int) -> None:
    began = time.perf_counter()
    await fill(path, clients, messages)
    print(f"{clients} clients, {messages} messages: made in {time.perf_counter() - began:.0f} s")


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shown", type=int, default=1000, help="how many of the slowest are printed (all)")
    parser.add_argument("--database", type=Path, help="a file that an earlier run has made (--keep)")
    parser.add_argument("--keep", type=Path, help="make the file here, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (given.database or given.keep or Path(folder, "mailing.db")).resolve()
        if given.database is None:
            uvloop.run(_fill(path, given.clients, given.messages))
        with service(engine_flags=("--database-url", f"sqlite://{path}")) as running:
            return uvloop.run(_measure(running, given.rounds, given.shown))


if __name__ == "__main__":
    sys.exit(main())
