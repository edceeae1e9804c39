"""Free texts on the command line of `mailing`: in another encoding they are read as told, or refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.failures import EXIT_USAGE
from mailing.v1 import mailing_service_pb2
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script

CYRILLIC = "Ски"


@pytest.mark.parametrize("command", ["mailing preview", "mailing create", "mailing edit 7"])
def test_a_text_from_stdin_that_is_not_utf_8_is_named(run: Run, script: Script, stdin: Path, command: str) -> None:
    stdin.write_bytes(b"\xd1\xea\xe8")
    code, out, err = run(*command.split(), "--text", "-")
    assert (code, out, script.requests) == (EXIT_USAGE, "", [])
    assert err == (
        "error: --text: what came from stdin is not UTF-8 (byte 0xd1 at 1): say which encoding it is in, "
        "like --encoding windows-1251\n"
    )


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (CYRILLIC.encode("cp1251"), ["--encoding", "windows-1251"]),
        (CYRILLIC.encode("koi8-r"), ["--encoding", "KOI8-R"]),
        (CYRILLIC.encode(), []),
        (CYRILLIC.encode("utf-8-sig"), []),
        (CYRILLIC.encode("utf-8-sig") + b"\r\n", []),
        (CYRILLIC.encode("utf-16"), []),
        ("\ufeff".encode("utf-16-be") + CYRILLIC.encode("utf-16-be"), []),
    ],
)
@pytest.mark.parametrize("command", ["mailing preview", "mailing create", "mailing edit 7"])
def test_a_text_from_stdin_is_read_as_it_is_written(
    run: Run, script: Script, stdin: Path, command: str, data: bytes, options: list[str]
) -> None:
    stdin.write_bytes(data)
    assert run(*command.split(), "--text", "-", *options)[0] == 0
    kinds = {
        "preview": mailing_service_pb2.PreviewMailingRequest,
        "create": mailing_service_pb2.CreateMailingRequest,
        "edit": mailing_service_pb2.UpdateMailingRequest,
    }
    assert script.last(kinds[command.split()[1]]).mailing.text == CYRILLIC


@pytest.mark.parametrize("name", ["latin-99", "rot13", "hex", "\udcd1", "\0"])
def test_an_encoding_that_there_is_not_is_named(run: Run, stdin: Path, name: str) -> None:
    stdin.write_bytes(b"x")
    code, _, err = run("mailing", "preview", "--text", "-", "--encoding", name)
    assert (code, err.count("\n")) == (EXIT_USAGE, 1)
    assert "there is no such encoding" in err


def test_an_encoding_is_for_stdin(run: Run) -> None:
    code, _, err = run("mailing", "preview", "--text", "x", "--encoding", "koi8-r")
    assert (code, err) == (EXIT_USAGE, "error: --encoding is for a text from stdin: --text -\n")


NOT_UTF_8 = os.fsdecode(CYRILLIC.encode("cp1251"))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["mailing", "preview", "--text", NOT_UTF_8], "--text"),
        (["mailing", "create", f"--text={NOT_UTF_8}"], "--text"),
        (["mailing", "edit", "7", "--text", NOT_UTF_8], "--text"),
        (["mailing", "create", "--text", "x", "--tag", NOT_UTF_8], "--tag"),
        (["mailing", "edit", "7", "--tag", NOT_UTF_8], "--tag"),
        (["mailing", "create", "--text", "x", "--phone-code", NOT_UTF_8], "--phone-code"),
        (["mailing", "create", "--text", "x", "--start", NOT_UTF_8], "--start"),
        (["mailing", "create", "--text", "x", "--local-hours", NOT_UTF_8], "--local-hours"),
        (["clients", "add", "79161234567", "--tag", NOT_UTF_8], "--tag"),
        (["clients", "add", NOT_UTF_8], r"argument '\udcd1\udcea\udce8'"),
        (["clients", "edit", "4", "--tag", NOT_UTF_8], "--tag"),
        (["clients", "list", "--tag", NOT_UTF_8], "--tag"),
        (["clients", "list", "--time-zone", NOT_UTF_8], "--time-zone"),
        (["clients", "export", "--tag", NOT_UTF_8], "--tag"),
        (["token", "create", NOT_UTF_8, "--role", "viewer"], r"argument '\udcd1\udcea\udce8'"),
        (["account", "create", NOT_UTF_8, "--role", "viewer"], r"argument '\udcd1\udcea\udce8'"),
        (["audit", "--actor", NOT_UTF_8], "--actor"),
        (["audit", "--object", NOT_UTF_8], "--object"),
        (["engine", "status", "--token", NOT_UTF_8], "--token"),
        (["engine", "status", "--target", NOT_UTF_8], "--target"),
    ],
)
def test_an_argument_that_is_not_utf_8_is_named(run: Run, script: Script, command: list[str], named: str) -> None:
    code, out, err = run(*command)
    assert (code, out, script.requests, err.count("\n")) == (EXIT_USAGE, "", [], 1)
    assert named in err


def test_a_password_from_stdin_that_is_not_utf_8_is_named(run: Run, script: Script, stdin: Path) -> None:
    stdin.write_bytes(b"\xcf\xe0\xf0\xee\xeb\xfc\n")
    code, out, err = run("account", "create", "anna", "--role", "viewer", "--password-stdin")
    assert (code, out, script.requests) == (EXIT_USAGE, "", [])
    assert err == "error: --password-stdin: what came from stdin is not UTF-8 (byte 0xcf at 1)\n"
