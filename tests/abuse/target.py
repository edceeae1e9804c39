"""The service that is attacked: one of our own in a folder that goes away, or one that runs on this machine."""

from __future__ import annotations

import json
import re
import secrets
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from scripts.bench.service_process import announced_url, process, service

TAGS: Final = 1_000
"""How many tags the clients of a service of our own have."""
FIRST_PHONE: Final = 79_000_000_000
_LATENCY_SECONDS: Final = "0.02"
_IMPORT_ROWS: Final = 20_000
_PATIENCE_SECONDS: Final = 120.0


class Unusable(Exception):
    """There is nothing to attack; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where it is, and whom the attackers may pretend to be. Travels to the attackers' process."""

    http: str
    """``host:port`` of the gateway."""
    grpc: str
    metrics: str
    operator: str
    """A token of the role operator."""
    viewer: str
    password: str | None
    """Of the account ``admin``: its owner signs in during an attack."""
    engine_pid: int | None
    gateway_pid: int | None
    engine_log: Path | None
    mailing_id: int | None
    """One that can be watched."""


@dataclass(slots=True)
class Attacked:
    """A target, and what the measuring needs of it."""

    target: Target
    sent: Callable[[], int] | None
    """How many texts have gone out so far; ``None``: nobody knows."""
    keep_busy: Callable[[float], None]
    """Sees to it that sending goes on for so many seconds."""


class Admin:
    """The REST API, with an admin's token."""

    def __init__(self, http: str, token: str) -> None:
        self._root, self._token = f"http://{http}/api/v1", token

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Ask; raises Unusable for any answer but a good one."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        request = urllib.request.Request(self._root + path, data, headers, method=method)
        try:
            with _OPENER.open(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Unusable(f"{method} {path}: {error.code} {error.read()[:300].decode(errors='replace')}") from None
        except OSError as error:
            raise Unusable(f"{method} {path}: {error}") from None

    def patiently(self, method: str, path: str, body: Any = None) -> Any:
        """The same, but what an attack has left behind may pass first."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self.call(method, path, body)
            except Unusable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def token(self, role: str) -> tuple[str, int]:
        """Make a token; returns its secret and its id."""
        answer = self.call("POST", "/tokens", {"name": f"abuse {role} {secrets.token_hex(4)}", "role": role})
        return answer["secret"], answer["token"]["id"]

    def register(self) -> int:
        """Register a mailing for everybody, from now on."""
        now = datetime.now(UTC)
        times = {"start_time": now.isoformat(), "end_time": (now + timedelta(hours=6)).isoformat()}
        return int(self.patiently("POST", "/mailings", {"text": "Still here", **times})["id"])

    def pending(self, mailing_id: int) -> int:
        """How many of a mailing's messages have not gone out."""
        return int(self.patiently("GET", f"/mailings/{mailing_id}")["message_counts"]["pending"])


_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def own(clients: int, rate: float) -> Iterator[Attacked]:
    """Start sandbox, engine and gateway with the default limits; ``clients`` get a text, ``rate`` of them a second.

    The rate is far below what the machine can do: what an attack then takes from sending is not the processor's time
    that any work costs, but that sending has to wait.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="abuse-")))
        sandbox = [sys.executable, "scripts/sandbox_provider.py", "--listen", "127.0.0.1:0", "--token", "x"]
        log = folder / "sandbox.log"
        started = stack.enter_context(process([*sandbox, "--latency-seconds", _LATENCY_SECONDS], log, {}))
        url = announced_url(started, log)
        # The gateway of a bench has no limit for a token; the last one that is given counts.
        limits = ["--http-token-rate", "5000"]
        flags = ["--provider-rate", str(rate)]
        running = stack.enter_context(service(url, engine_flags=flags, gateway_flags=limits))
        admin = Admin(running.address, running.token)
        _add_clients(admin, clients)
        mailings = [admin.register()]
        target = Target(
            http=running.address,
            grpc=running.grpc,
            metrics=running.metrics,
            operator=admin.token("operator")[0],
            viewer=admin.token("viewer")[0],
            password=running.password,
            engine_pid=running.engine_pid,
            gateway_pid=running.gateway_pid,
            engine_log=running.engine_log,
            mailing_id=mailings[0],
        )

        def keep_busy(seconds: float) -> None:
            while sum(map(admin.pending, mailings[-3:])) < rate * seconds:
                mailings.append(admin.register())
                _wait_for(lambda: admin.patiently("GET", f"/mailings/{mailings[-1]}")["audience_state"] == "ready")

        yield Attacked(target, lambda: _accepted(url), keep_busy)


@contextmanager
def running(http: str, grpc: str, metrics: str, token: str, password: str | None) -> Iterator[Attacked]:
    """Attack what runs on this machine. It gets no clients and no mailing: its provider may be a real one."""
    for address in (http, grpc, metrics):
        if not re.fullmatch(r"(127\.\d+\.\d+\.\d+|localhost):\d+", address):
            raise Unusable(f"{address}: only a service on this machine is attacked, at 127.0.0.1 or localhost")
    admin = Admin(http, token)
    operator, operator_id = admin.token("operator")
    viewer, viewer_id = admin.token("viewer")
    try:
        mailings = admin.call("GET", "/mailings?page_size=1")["mailings"]
        target = Target(
            http=http,
            grpc=grpc,
            metrics=metrics,
            operator=operator,
            viewer=viewer,
            password=password,
            engine_pid=listening_pid(int(grpc.rpartition(":")[2])),
            gateway_pid=listening_pid(int(http.rpartition(":")[2])),
            engine_log=None,
            mailing_id=int(mailings[0]["id"]) if mailings else None,
        )
        yield Attacked(target, lambda: _sent(metrics), lambda _seconds: None)
    finally:
        for each in (operator_id, viewer_id):
            admin.call("POST", f"/tokens/{each}/revoke")


def listening_pid(port: int) -> int | None:
    """The process that listens on a port, where the system lets us see it (Linux)."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(file.readlink()) in inodes for file in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # somebody else's, or gone meanwhile
    return None


def _add_clients(admin: Admin, count: int) -> None:
    for first in range(0, count, _IMPORT_ROWS):
        numbers = range(first, min(first + _IMPORT_ROWS, count))
        rows = "\n".join(["phone_number,tag", *(f"{FIRST_PHONE + n},t{n % TAGS}" for n in numbers)])
        answer = admin.call("POST", "/clients/import", rows.encode(), "text/csv")
        if answer["created"] != len(numbers):
            raise Unusable(f"{answer['created']} of {len(numbers)} clients were imported: {answer['errors'][:3]}")


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > deadline:
            raise Unusable("the mailing's audience was not built within two minutes")
        time.sleep(0.05)


def _accepted(provider_url: str) -> int:
    """What the sandbox has got: it is not attacked, so its answer is never late."""
    with _OPENER.open(f"{provider_url.removesuffix('/v1')}/sandbox/stats", timeout=10) as answer:
        return int(json.loads(answer.read())["accepted"])


def _sent(metrics: str) -> int:
    with _OPENER.open(f"http://{metrics}/metrics", timeout=60) as answer:
        found = re.search(rb'^mailing_messages_total\{outcome="sent"\} (\S+)$', answer.read(), re.MULTILINE)
    return int(float(found[1])) if found else 0
