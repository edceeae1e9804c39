"""The whole service for a bench or a campaign: engine and gateway as real processes, in a folder that goes away."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.processes import start

ROOT: Final = Path(__file__).resolve().parents[2]
NOWHERE: Final = "http://127.0.0.1:1/v1"
"""A provider that refuses every call: for who doesn't send."""
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Running:
    """A service that listens."""

    address: str
    """Of the gateway: ``127.0.0.1:port``."""
    token: str
    """An API token of the role admin."""
    password: str
    """Of the account ``admin``."""
    grpc: str
    """Where the engine's API listens: ``127.0.0.1:port``."""
    metrics: str
    """Where the engine's metrics are."""
    database: Path
    engine_pid: int
    gateway_pid: int
    engine_log: Path
    gateway_log: Path


@contextmanager
def service(
    provider_url: str = NOWHERE,
    *,
    engine_flags: Sequence[str] = (),
    gateway_flags: Sequence[str] = (),
    cores: frozenset[int] | None = None,
) -> Iterator[Running]:
    """Start an engine with a new SQLite file and a gateway before it; stop both in the end.

    ``cores``: run on these only. The gateway limits no token's rate, since a bench is to find the limit.

    Raises:
        RuntimeError: one did not start; the text is the end of what it said.
    """
    token, password = f"bench-{secrets.token_urlsafe(32)}", secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="mailing-") as folder, ExitStack() as stack:
        database, engine_log, gateway_log = (Path(folder, name) for name in ("mailing.db", "engine.log", "gateway.log"))
        seeds = {"FBRQ_TOKEN": "x", "MAILING_API_TOKEN": token, "MAILING_ADMIN_PASSWORD": password}
        own = ["--database-url", f"sqlite://{database}", "--provider-url", provider_url, "--log-format", "json"]
        own += ["--grpc-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
        engine = stack.enter_context(process(_module("engine", *own, *engine_flags), engine_log, seeds, cores))
        target = announced(engine, engine_log, "engine.started", "grpc")
        metrics = announced(engine, engine_log, "engine.started", "metrics")
        own = ["--http-listen", "127.0.0.1:0", "--engine-target", target, "--log-format", "json"]
        own += ["--http-token-rate", "0", "--admin-secret-file", str(Path(folder, "admin-secret"))]
        gateway = stack.enter_context(process(_module("gateway", *own, *gateway_flags), gateway_log, {}, cores))
        address = announced(gateway, gateway_log, "gateway.started", "url")
        yield Running(
            address=address,
            token=token,
            password=password,
            grpc=target,
            metrics=metrics,
            database=database,
            engine_pid=engine.pid,
            gateway_pid=gateway.pid,
            engine_log=engine_log,
            gateway_log=gateway_log,
        )


@contextmanager
def process(
    command: Sequence[str], log: Path, extra: Mapping[str, str], cores: frozenset[int] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, its output in a file, without settings of ours but the extra ones; stop it in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILING_", "FBRQ_"))}
    path = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
    with log.open("wb") as out:
        environ = {**kept, "PYTHONPATH": path, **extra}
        started = start(command, environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT)
    try:
        if cores is not None:
            os.sched_setaffinity(started.pid, cores)
        yield started
    finally:
        started.terminate()
        try:
            started.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def announced(started: subprocess.Popen[bytes], log: Path, event: str, key: str) -> str:
    """The ``host:port`` that stands under ``key`` in the log's JSON line with this event; waits for it.

    Raises:
        RuntimeError: the process has ended, or said nothing of it in time.
    """
    line = awaited(started, log, re.compile(rf'^(.*"{re.escape(event)}".*)$', re.MULTILINE))
    return re.sub(r"^https?://|/$", "", str(json.loads(line)[key]))


def announced_url(started: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that stands alone on a line of the log, as a sandbox prints it; waits for it.

    Raises:
        RuntimeError: the process has ended, or said nothing of it in time.
    """
    return awaited(started, log, re.compile(r"^(http://\S+)$", re.MULTILINE))


def awaited(started: subprocess.Popen[bytes], log: Path, pattern: re.Pattern[str]) -> str:
    """The first group of the first match in the log; waits for it.

    Raises:
        RuntimeError: the process has ended, or nothing matched in time.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        if (found := pattern.search(_text(log))) is not None:
            return found.group(1)
        time.sleep(0.02)
    raise RuntimeError(f"{started.args!r} did not start:\n{_text(log)[-2000:]}")


def peak_mib(pid: int) -> float:
    """The most memory that a process has held so far (resident; Linux)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _text(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def cpu_seconds(pid: int) -> float:
    """What a process and those that it has started have used of the processors so far, those that have ended too
    (Linux)."""
    tasks = list(Path(f"/proc/{pid}/task").glob("*"))
    own_ns = sum(int((_said(task / "schedstat").split() or ["0"])[0]) for task in tasks)
    children = [child for task in tasks for child in _said(task / "children").split()]
    return own_ns / 1e9 + _ended_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


def _ended_seconds(pid: int) -> float:
    """Of its children that have ended: ``cutime`` and ``cstime`` of proc(5), the 14th and 15th after the name."""
    fields = _said(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def _said(path: Path) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
        return _text(path)
    return ""


def errors_in(log: Path) -> list[str]:
    """The log's lines of level error and above."""
    levels = ('"error"', '"critical"')
    return [line for line in _text(log).splitlines() if any(level in line for level in levels) and _is_error(line)]


def _is_error(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return True
    return isinstance(entry, dict) and entry.get("level") in {"error", "critical"}


def _module(name: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", name, *flags]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
