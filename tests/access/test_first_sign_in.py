"""engine/access/first_sign_in.py: the first secrets reach a person, and nothing that keeps what it was told."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any, Final

import pytest

from cli.credentials import SIGN_IN_FILES, find_token
from common import private
from engine.access.first_sign_in import FirstSignIn
from engine.access.seeding import Made
from mailing.v1 import access_service_pb2, access_service_pb2_grpc
from scripts.token_channel import metadata
from tests.rules.rig import running

MADE = Made("the-password", "mlt_the-token")

FILE: Final = "first-sign-in.env"


def test_they_are_printed_once(tmp_path: Path) -> None:
    out = io.StringIO()
    first = FirstSignIn(None, out)
    first.check()
    first.show(MADE)
    assert "the-password" in out.getvalue()
    assert "mlt_the-token" in out.getvalue()
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_is_named_only_its_name_is_printed(tmp_path: Path) -> None:
    out = io.StringIO()
    first = FirstSignIn(tmp_path / FILE, out)
    first.check()
    first.show(MADE)
    (line,) = out.getvalue().splitlines()
    assert str(tmp_path / FILE) in line
    assert "the-password" not in line
    assert "mlt_" not in line
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (MADE, ["MAILING_ADMIN_PASSWORD", "MAILING_API_TOKEN"]),
        (Made(token="mlt_x"), ["MAILING_API_TOKEN"]),
        (Made(password="x"), ["MAILING_ADMIN_PASSWORD"]),
    ],
)
def test_the_file_is_in_the_form_of_settings(tmp_path: Path, made: Made, names: list[str]) -> None:
    FirstSignIn(tmp_path / "kept" / "x.env", io.StringIO()).show(made)
    lines = (tmp_path / "kept" / "x.env").read_text().splitlines()
    assert [line.partition("=")[0] for line in lines if not line.startswith("#")] == names


def test_nothing_made_is_nothing_said(tmp_path: Path) -> None:
    out = io.StringIO()
    FirstSignIn(tmp_path / FILE, out).show(Made())
    assert (out.getvalue(), list(tmp_path.iterdir())) == ("", [])


def test_the_file_of_the_image_is_where_the_mailing_command_looks() -> None:
    assert FILE in SIGN_IN_FILES
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"MAILING_SIGN_IN_FILE: data/{FILE}" in compose


async def test_an_engine_keeps_them_in_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAILING_RUN_FOLDER", str(tmp_path))
    async with running(tmp_path, admin_password=None, api_token=None, sign_in_file=tmp_path / FILE) as rig:
        token = find_token(None, "127.0.0.1:1")
        assert token is not None
        access = access_service_pb2_grpc.AccessServiceStub(rig.channel)
        identity = await access.WhoAmI(access_service_pb2.WhoAmIRequest(), metadata=metadata(token))
        assert identity.name == "MAILING_API_TOKEN"
    kept = (tmp_path / FILE).read_text()
    assert "MAILING_ADMIN_PASSWORD=" in kept
    secrets = [line.partition("=")[2] for line in kept.splitlines() if not line.startswith("#")]
    out, err = capsys.readouterr()
    assert str(tmp_path / FILE) in out
    assert not any(secret in out + err for secret in secrets)


async def test_where_they_can_t_be_kept_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked: dict[str, Any] = {"admin_password": None, "api_token": None, "sign_in_file": tmp_path / "file" / "x.env"}
    with pytest.raises(
        OSError, match=r"can't keep the first password and token in .*: File exists; set another MAILING_"
    ):
        async with running(tmp_path, **blocked):
            pass
    async with running(tmp_path, **{**blocked, "sign_in_file": tmp_path / FILE}):
        assert (tmp_path / FILE).exists()


def test_another_file_s_readers_do_not_read_the_new_one(tmp_path: Path) -> None:
    """A file that all could read is replaced, and not written into."""
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o644)
    private.write(tmp_path / "x", "new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert (tmp_path / "x").read_text() == "new"
