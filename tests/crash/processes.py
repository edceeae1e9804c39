"""An engine and a sandbox as real processes, for campaigns and tests that kill, freeze or stop them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.sandbox import Sandbox
from scripts.token_channel import API_TOKEN

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120
_SETTLE_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Rows:
    """What the file says of its messages."""

    claimed: frozenset[int]
    """Taken by an engine: queued, being called, or answered and not yet stored."""
    marked: frozenset[int]
    """Of these: with the mark before the call."""
    sent: frozenset[int]
    uncertain: frozenset[int]
    suppressed: frozenset[int]
    others: frozenset[int]
    """Pending, or not sent for another reason."""
    damage: str
    """What SQLite's own checks complain about; empty: nothing."""


class Engine:
    """An engine process that can be killed and started again on the same file."""

    def __init__(
        self,
        folder: Path,
        provider_url: str,
        workers: int,
        slots: int = 0,
        *,
        name: str = "engine",
        database_url: str = "",
        flags: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "engine"),
    ) -> None:
        """``database_url``: a SQLite file in the folder, unless given; ``flags`` and ``environ``: more of both."""
        self.name = name
        self.database = folder / "mailing.db"
        self.log = folder / f"{name}.log"
        self.flags = list(flags)
        """May be changed for the next start."""
        self._environ, self._program = dict(environ or {}), program
        self._database = ("--database-url", database_url or f"sqlite://{self.database}")
        self._arguments = [
            *(*self._database, "--provider-url", provider_url),
            *("--workers", str(workers), "--slots", str(slots), "--metrics-listen", "127.0.0.1:0"),
            *("--retry-base-seconds", "0.1", "--log-format", "json"),
        ]
        self._process: asyncio.subprocess.Process | None = None
        self.target = ""
        """Where its API listens, once it has started."""
        self.metrics = ""
        """Where ``/readyz`` is, once it has started."""
        self.grpc_listen = "127.0.0.1:0"
        """Where it is to listen at the next start; by itself each time on another port."""

    @property
    def pid(self) -> int | None:
        """The process that runs, or ran last; ``None``: there was none yet."""
        return None if self._process is None else self._process.pid

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event, so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start, and wait until the API listens.

        Raises:
            RuntimeError: it has ended, or took too long: with the end of its log.
        """
        begin = await self.launch()
        for _ in range(_START_SECONDS * 50):
            for line in self._said(begin).splitlines():
                if b'"engine.started"' in line:
                    started = json.loads(line)
                    self.target, self.metrics = started["grpc"], started["metrics"]
                    return
            if not self.is_running:
                break
            await asyncio.sleep(0.02)
        await self.kill()
        raise RuntimeError(f"the engine did not start: {self._said(begin).decode()[-2000:]}")

    async def launch(self) -> int:
        """Start, and wait for nothing; returns where in the log it begins."""
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self._program, *self._arguments, *self.flags, "--grpc-listen", self.grpc_listen),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=environment() | self._environ,
            )
        return begin

    def _said(self, begin: int) -> bytes:
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._signal(signal.SIGTERM)
        return await self._process.wait()

    def rows(self) -> Rows:
        """Read what is on the disk. From a copy: whoever closes a SQLite file last tidies its log away, and the
        next engine is to find it as the killed one has left it."""
        copy = self.database.with_name("copy.db")
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            if Path(f"{self.database}{suffix}").exists():
                shutil.copy(f"{self.database}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as connection:
            damage = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            damage += [f"dangling reference: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
            rows = connection.execute("SELECT id, status, reason FROM message").fetchall()
        return sorted_rows(rows, "; ".join(damage))

    def message_ids(self) -> dict[int, int]:
        """The message of each number, as ``rows`` has copied them."""
        with closing(sqlite3.connect(self.database.with_name("copy.db"))) as connection:
            return dict(
                connection.execute(
                    "SELECT c.phone_number, m.id FROM message AS m JOIN client AS c ON c.id = m.client_id"
                )
            )

    async def check(self) -> str:
        """What ``python -m engine check`` has to complain about; empty: nothing."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "check", *self._database),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment() | self._environ,
        )
        out, _ = await process.communicate()
        return "" if process.returncode == 0 else f"exit code {process.returncode}: {out.decode()}"


def sorted_rows(rows: Iterable[tuple[int, int, int | None]], damage: str) -> Rows:
    """Rows of ``id, status, reason`` by what they mean."""
    rows = list(rows)
    claimed = frozenset(id for id, status, _ in rows if status in (1, 2))
    marked = frozenset(id for id, status, _ in rows if status == 2)
    sent = frozenset(id for id, status, _ in rows if status == 3)
    uncertain = frozenset(id for id, status, reason in rows if (status, reason) == (4, 4))
    suppressed = frozenset(id for id, status, reason in rows if (status, reason) == (4, 5))
    others = frozenset(row[0] for row in rows) - claimed - sent - uncertain - suppressed
    return Rows(claimed, marked, sent, uncertain, suppressed, others, damage)


def environment() -> dict[str, str]:
    """This process's environment without settings of an engine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILING_", "FBRQ_"))}
    return {
        **kept,
        "FBRQ_TOKEN": "sandbox-token",
        "MAILING_API_TOKEN": API_TOKEN,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "proto"))),
    }


class Provider:
    """The sandbox's control API."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def stats(self) -> dict[str, Any]:
        """Its counts."""
        stats: dict[str, Any] = await self._get("stats")
        return stats

    async def latest(self) -> dict[int, int]:
        """How often each of the thousand messages called last was called; once nothing is on its way any more."""
        before = -1
        while (now := (await self.stats())["requests"]) != before:
            before = now
            await asyncio.sleep(_SETTLE_SECONDS)
        return {message["id"]: message["count"] for message in (await self._get("messages?limit=1000"))["messages"]}

    async def calls(self, message_id: int) -> int:
        """How often a message was called."""
        return sum(message["count"] for message in (await self._get(f"messages?id={message_id}"))["messages"])

    async def texts(self, message_id: int) -> list[str]:
        """What a message was called with, each time."""
        return [call["text"] for call in await self.calls_of(message_id)]

    async def calls_of(self, message_id: int) -> list[dict[str, Any]]:
        """Each call of a message, as the sandbox shows it."""
        found = (await self._get(f"messages?id={message_id}"))["messages"]
        return [call for message in found for call in message["calls"]]

    async def change(self, what: str, switches: Mapping[str, object]) -> None:
        """Change ``faults`` or ``receipts``."""
        await self._ask(
            urllib.request.Request(f"{self.url}/sandbox/{what}", json.dumps(switches).encode(), method="PATCH")
        )

    async def accepted(self, count: int) -> None:
        """Wait until it has accepted so many."""
        while (await self.stats())["accepted"] < count:
            await asyncio.sleep(0.01)

    async def _get(self, what: str) -> Any:
        return await self._ask(urllib.request.Request(f"{self.url}/sandbox/{what}"))

    async def _ask(self, request: urllib.request.Request) -> Any:
        def ask() -> Any:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)

        return await asyncio.to_thread(ask)


@asynccontextmanager
async def sandbox_within(latency_seconds: float) -> AsyncIterator[Provider]:
    """A sandbox provider in this process: for few calls, without the second that a process takes to start."""
    server = await Sandbox.start()
    try:
        server.set_faults(latency_seconds=[latency_seconds, latency_seconds])
        yield Provider(server.root_url)
    finally:
        await server.stop()


@asynccontextmanager
async def sandbox(*flags: str) -> AsyncIterator[Provider]:
    """A sandbox provider in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "scripts/sandbox_provider.py", "--listen", "127.0.0.1:0", *flags),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)).decode().strip()
        yield Provider(line.rstrip("/").removesuffix("/v1"))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
