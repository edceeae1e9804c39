"""Files and folders that we make are for our own user, whatever the umask is; what others have made stays as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common import private
from engine.store import Store
from scripts.processes import Child
from tests.store.world import add_clients


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The usual one: everybody may read what is made."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_the_database_and_all_that_lies_beside_it_is_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    store = await Store.open(f"sqlite://{folder / 'mailing.db'}")
    await add_clients(store, 5)
    assert modes(folder) == dict.fromkeys(("mailing.db", "mailing.db-wal", "mailing.db-shm", "mailing.db.lock"), 0o600)
    await store.forget_log()
    assert set(modes(folder).values()) == {0o600}
    assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    await store.close()
    assert set(modes(folder).values()) == {0o600}


async def test_files_of_an_earlier_version_are_closed_to_others_at_the_start_and_a_shared_folder_stays(
    tmp_path: Path,
) -> None:
    url, folder = f"sqlite://{tmp_path / 'mailing.db'}", tmp_path
    folder.chmod(0o775)
    await (await Store.open(url)).close()
    for name in ("mailing.db", "mailing.db-wal", "mailing.db-shm", "mailing.db.lock"):
        (folder / name).touch()
        (folder / name).chmod(0o664)
    other = folder / "somebody-elses.txt"
    other.write_text("x")
    store = await Store.open(url)
    await add_clients(store, 5)
    found = modes(folder)
    assert found.pop(other.name) == 0o644
    assert set(found.values()) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o775
    await store.close()


async def test_files_that_are_not_ours_stay_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mailing.db"
    file.touch(0o644)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with capture_logs() as lines:
        await (await Store.open(f"sqlite://{file}")).close()
    assert modes(tmp_path)["mailing.db"] == 0o644
    assert [str(file) in line["files"] for line in lines if line["event"] == "database.readable_by_others"] == [True]


def test_a_log_of_a_child_is_for_its_owner_also_when_an_older_one_was_not(tmp_path: Path) -> None:
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    old.touch(0o644)
    for log in (old, new):
        child = Child("child", [sys.executable, "-c", "print('79161234567')"], os.environ, log)
        child.stop(20)
    assert modes(tmp_path) == {"old.log": 0o600, "new.log": 0o600}


def test_what_children_make_is_for_their_owner_too(tmp_path: Path) -> None:
    private.umask()
    made = tmp_path / "made"
    child = Child("child", [sys.executable, "-c", f"open({str(made)!r}, 'w')"], os.environ, tmp_path / "log")
    child._process.wait(20)
    assert modes(tmp_path) == {"made": 0o600, "log": 0o600}


def test_an_export_is_for_who_asked_and_a_file_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.touch(0o640)
    for name in ("there.csv", "new.csv"):
        with open(tmp_path / name, "wb", opener=private.opener) as out:
            out.write(b"x")
    assert modes(tmp_path) == {"there.csv": 0o640, "new.csv": 0o600}
