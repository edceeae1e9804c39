"""What an engine finds at its start that it can't work with: one clear line each, and nothing was changed."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.store import DatabaseUnavailable, Store
from engine.store.database import Tx
from engine.store.opening import open_database
from tests.store.conftest import KINDS, Databases, Opener
from tests.store.world import add_clients

ON_EACH = pytest.mark.parametrize("kind", ["sqlite", KINDS[2]], indirect=True)

BY_HAND = {
    "a table is gone": ("DROP TABLE attempt", "lacks the table attempt"),
    "tables are gone": ("DROP TABLE told; DROP TABLE session", "lacks the table session, the table told"),
    "a column is gone": ("ALTER TABLE engine DROP COLUMN in_flight", "lacks the column engine.in_flight"),
    "a column has another name": ("ALTER TABLE client RENAME COLUMN tag TO label", "lacks the column client.tag"),
    "the control record is gone": ("DELETE FROM control", "the control record is missing"),
    "migrated in part": (
        "DELETE FROM aerich WHERE version LIKE '4%'",
        "the migration 4_20261129040000_text_versions.py can't be applied",
    ),
    "not migrated, as it says": ("DELETE FROM aerich", "another program's"),
}


async def by_hand(url: str, script: str) -> None:
    """What somebody does to a database with a tool."""

    async def work(tx: Tx) -> None:
        for statement in script.split(";"):
            await tx.run(statement)

    database = await open_database(url)
    try:
        await database.transaction(work)
    finally:
        await database.close()


@ON_EACH
@pytest.mark.parametrize("name", BY_HAND)
async def test_a_schema_that_was_changed_by_hand_is_one_clear_line(open_store: Opener, url: str, name: str) -> None:
    await (await open_store()).close()
    script, said = BY_HAND[name]
    await by_hand(url, script)
    with pytest.raises(DatabaseUnavailable, match=re.escape(said)) as caught:
        await open_store()
    assert "\n" not in str(caught.value)


@pytest.mark.postgres
async def test_a_servers_database_may_be_shared_but_not_our_tables_names(postgres_url: Databases) -> None:
    url = postgres_url(empty=True)
    await by_hand(url, "CREATE TABLE invoice (id INTEGER)")
    await (await Store.open(url)).close()


@pytest.mark.postgres
async def test_a_servers_database_with_somebody_elses_clients_is_refused(postgres_url: Databases) -> None:
    url = postgres_url(empty=True)
    await by_hand(url, "CREATE TABLE client (id INTEGER)")
    with pytest.raises(
        DatabaseUnavailable, match="another program's tables have the names that this one needs: client"
    ):
        await Store.open(url)


def of_another_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")
        connection.commit()


def text(file: Path) -> None:
    file.write_text("this is not a database, but it is long enough to be read as a header" * 20)


async def test_another_programs_file_is_left_as_it_is(tmp_path: Path) -> None:
    for make, said in (
        (of_another_program, "another program's database: it has the tables invoice"),
        (text, "not a db"),
    ):
        file = tmp_path / f"{make.__name__}.db"
        make(file)
        file.chmod(0o640)
        before = file.read_bytes()
        with pytest.raises(DatabaseUnavailable, match=said.replace("not a db", "file is not a database")) as caught:
            await Store.open(f"sqlite://{file}")
        assert "\n" not in str(caught.value)
        assert str(file) in str(caught.value)
        assert (file.read_bytes(), file.stat().st_mode & 0o777) == (before, 0o640)


def cut(keep: Callable[[int], int]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.truncate(keep(file.stat().st_size))

    return damage


CUT = {
    "in half": cut(lambda size: size // 2),
    "after its first page": cut(lambda _: 4096),
    "in it": cut(lambda _: 1000),
}


@pytest.mark.parametrize("name", CUT)
async def test_a_file_that_was_cut_off_is_one_clear_line(tmp_path: Path, name: str) -> None:
    store = await Store.open(f"sqlite://{tmp_path}/mailing.db")
    await add_clients(store, 2_000)
    await store.close()
    CUT[name](tmp_path / "mailing.db")
    with pytest.raises(
        DatabaseUnavailable, match=r"mailing\.db: (database disk image is malformed|file is not a data)"
    ):
        await Store.open(f"sqlite://{tmp_path}/mailing.db")


async def test_a_log_without_its_file_is_not_thrown_away(tmp_path: Path) -> None:
    """SQLite would: a new file begins with a new log."""
    file, log = tmp_path / "mailing.db", tmp_path / "mailing.db-wal"
    store = await Store.open(f"sqlite://{file}")
    await add_clients(store, 3)
    kept = {path: path.read_bytes() for path in (file, log)}
    await store.close()
    log.write_bytes(kept[log])
    file.unlink()
    for is_empty in (False, True):
        if is_empty:
            file.touch()
        with pytest.raises(DatabaseUnavailable, match=r"mailing\.db-wal, which holds the latest changes"):
            await Store.open(f"sqlite://{file}")
        assert log.read_bytes() == kept[log]
    file.write_bytes(kept[file])
    store = await Store.open(f"sqlite://{file}")
    assert (await store.get_client(3)).id == 3
    await store.close()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_at_the_start_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(DatabaseUnavailable, match=r"mailing\.db\.lock: No space left on device"):
        await Store.open(f"sqlite://{tmp_path}/mailing.db")
    monkeypatch.undo()
    await (await Store.open(f"sqlite://{tmp_path}/mailing.db")).close()  # the lock was let go


async def test_a_disk_that_takes_nothing_more_does_not_spoil_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite://{tmp_path}/mailing.db")
    with monkeypatch.context() as patched:
        patched.setattr("os.ftruncate", full)
        await store.close()
    await (await Store.open(f"sqlite://{tmp_path}/mailing.db")).close()


READ_ONLY = """
import asyncio, os, sys
from engine.store import Store, DatabaseUnavailable

async def main():
    await (await Store.open(sys.argv[1])).close()
    os.chmod(sys.argv[1].removeprefix("sqlite://"), 0o400)
    if os.geteuid() == 0:
        os.chown(os.path.dirname(sys.argv[1].removeprefix("sqlite://")), 65534, 65534)
        for name in ("", ".lock"):
            os.chown(sys.argv[1].removeprefix("sqlite://") + name, 65534, 65534)
        os.setuid(65534)  # root may write everything
    try:
        await Store.open(sys.argv[1])
    except DatabaseUnavailable as error:
        print(error)

asyncio.run(main())
"""


def test_a_file_that_this_user_may_not_write_is_one_clear_line() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are shut to other users
        path = f"{folder}/mailing.db"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", READ_ONLY, f"sqlite://{path}"]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert run.stdout == f"can't open the database {path}: this user may not write to it, or its disk is read-only\n"
