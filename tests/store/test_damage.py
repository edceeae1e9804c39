"""``python -m engine check`` on files that were overwritten: it says so, and changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from engine.program import check
from engine.settings import Settings
from engine.store import DatabaseInUse, Store
from engine.store.damage import damage_of
from tests.store.world import a_mailing_with

PAGE = 4096
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database with some hundred pages."""
    file = tmp_path_factory.mktemp("good") / "mailing.db"

    async def fill() -> None:
        store = await Store.open(f"sqlite://{file}", inline=True)
        await a_mailing_with(store, 3_000)
        await store.close()

    asyncio.run(fill())
    return file


@pytest.fixture
def file(good: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copy(good, tmp_path / "mailing.db")
    return tmp_path / "mailing.db"


def contents(file: Path) -> bytes:
    return file.read_bytes()


def settings_for(file: Path) -> Settings:
    return cast(Settings, Namespace(database_url=f"sqlite://{file}"))


def overwritten(begin: int, data: bytes) -> Damage:
    def damage(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(begin)
            opened.write(data)

    return damage


def second_half(file: Path) -> None:
    overwritten(file.stat().st_size // 2, b"\xa5" * (file.stat().st_size // 2))(file)


def root(name: str, *, leaf: bool) -> Damage:
    """The root page of a table or an index, or a page below it."""

    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        data = file.read_bytes()
        if leaf:  # the right-most child, as the header of an interior page names it
            page = int.from_bytes(data[(page - 1) * PAGE + 8 : (page - 1) * PAGE + 12], "big")
        overwritten((page - 1) * PAGE, bytes(PAGE))(file)

    return damage


def cut_off(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 3 * PAGE)


def one_row_of_an_index(file: Path) -> None:
    """All pages are in order, but an index does not say what its table says."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'client_tag'").fetchone()
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = 'client_tag'", (sql.replace("tag,", "time_zone,"),)
        )
        connection.commit()


def dangling(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM client WHERE id = 1")
        connection.commit()


DAMAGES: dict[str, Damage] = {
    "its header": overwritten(0, b"\x00" * 100),
    "the size in its header": overwritten(16, b"\x01\x01"),
    "its first page": overwritten(100, b"\xff" * (PAGE - 100)),
    "its second half": second_half,
    "the root of a table": root("message", leaf=False),
    "a leaf of a table": root("message", leaf=True),
    "the root of an index": root("message_due", leaf=False),
    "a leaf of an index": root("message_due", leaf=True),
    "its end is cut off": cut_off,
    "an index that is not its table's": one_row_of_an_index,
    "a reference to nothing": dangling,
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_file_is_told_from_a_good_one(
    file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[name](file)
    before = contents(file)
    assert await check(settings_for(file), {}) == 1
    out = capsys.readouterr().out
    assert "damaged: " in out
    assert "restore a backup" in out
    assert "agree" not in out
    assert len(out.splitlines()) < 30
    assert contents(file) == before


async def test_a_good_file_is_checked_and_its_counters_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert damage_of(file) == []
    assert await check(settings_for(file), {}) == 0
    assert "All counters agree" in capsys.readouterr().out
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE mailing_counters SET sent = 7")
        connection.commit()
    assert await check(settings_for(file), {}) == 1
    assert "sent was 7, repaired to 0" in capsys.readouterr().out
    assert await check(settings_for(file), {}) == 0


async def test_what_a_killed_engine_has_left_in_the_log_is_part_of_it(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint")
        connection.execute("UPDATE client SET tag = 'x'")
        connection.commit()
        for end in ("", "-wal"):
            shutil.copy(f"{file}{end}", file.with_name(f"killed.db{end}"))
    assert damage_of(file.with_name("killed.db")) == []


async def test_a_file_in_use_is_not_checked(file: Path) -> None:
    store = await Store.open(f"sqlite://{file}")
    try:
        with pytest.raises(DatabaseInUse):
            await check(settings_for(file), {})
    finally:
        await store.close()
