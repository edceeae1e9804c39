"""The secret of the panel's cookies: made once, for the gateway's eyes only, the same for all that share the file."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from admin.secret import panel_secret
from gateway.settings import Settings, load
from tests.patience import PATIENT_SECONDS


def settings(path: Path) -> Settings:
    return load({"admin_secret_file": str(path)}, {}, None)


def test_it_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "admin-secret"
    found = panel_secret(settings(path))
    assert len(found) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert panel_secret(settings(path)) == found
    assert [each.name for each in path.parent.iterdir()] == ["admin-secret"]
    assert panel_secret(settings(tmp_path / "other")) != found


def test_what_is_set_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "admin-secret"
    given = load({"admin_secret_file": str(path)}, {"MAILING_ADMIN_SECRET": "sixteen letters!"}, None)
    assert panel_secret(given) == "sixteen letters!"
    assert not path.exists()


def _make(path: Path, start: object, found: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    found.put(panel_secret(settings(path)))  # type: ignore[attr-defined]


def test_gateways_that_start_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for round in range(5):
        path, start, found = tmp_path / str(round), context.Event(), context.Queue()
        gateways = [context.Process(target=_make, args=(path, start, found)) for _ in range(4)]
        for each in gateways:
            each.start()
        start.set()
        secrets = {found.get(timeout=PATIENT_SECONDS) for _ in gateways}
        for each in gateways:
            each.join(20)
        assert len(secrets) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_a_file_that_is_no_secret_is_told_and_not_used(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "admin-secret"
    path.write_bytes(content)
    with capture_logs() as logs:
        first, second = panel_secret(settings(path)), panel_secret(settings(path))
    assert len(first) == 64
    assert first != second
    assert [each["event"] for each in logs] == ["panel.secret_not_kept"] * 2
    assert path.read_bytes() == content


def test_where_nothing_can_be_written_it_lives_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with capture_logs() as logs:
        assert len(panel_secret(settings(tmp_path / "file" / "admin-secret"))) == 64
    assert logs[0]["event"] == "panel.secret_not_kept"
    assert "restart" in logs[0]["effect"]


def test_a_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "admin-secret"
    found = panel_secret(settings(path))
    os.chmod(path, 0o644)
    with capture_logs() as logs:
        assert panel_secret(settings(path)) == found
    assert [each["event"] for each in logs] == ["panel.secret_readable"]
    assert found not in str(logs)
