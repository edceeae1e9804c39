"""Every command of `mailing` with texts of other people: nothing raw gets out, and none of them is markup."""

from __future__ import annotations

import io
import itertools
import json
import os
import secrets
import sys
from pathlib import Path

import grpc
import pytest
from rich.table import Table
from rich.text import Text

from cli import show
from cli.plain import dumps
from cli.terminal import Terminal
from tests.cli import fake_engine
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script, progress
from tests.cli.test_commands import COMMANDS
from tests.hostile import ACTING, BROKEN, HIDING, MARKUP, raw, without_colours

HOSTILE = [*ACTING, *HIDING]
ALL = " ".join(HOSTILE)
MARKED = "[/][b]x[link=y]z[/link]:x:"  # short enough for every list


@pytest.fixture
def script(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    """The same, in an empty folder, with room for long lines and few rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "2000")
    script.progress = [[progress(1000)]]
    del script.clients[50:]
    return script


EVERY = [command for command, _ in COMMANDS if not command.startswith("mailing delete")] + ["mailing watch 7"]


@pytest.mark.parametrize("command", EVERY)
def test_no_command_prints_anything_raw(run: Run, script: Script, command: str) -> None:
    texts = itertools.cycle([*HOSTILE, ALL])
    script.spoil = lambda: next(texts)
    code, out, err = run(*command.split())
    assert (code, raw(out + err)) == (0, set())
    code, out, _ = run(*command.split(), "--json")
    assert (code, raw(out)) == (0, set())
    json.loads(out)


def test_json_says_the_same_as_the_engine(run: Run, script: Script) -> None:
    script.spoil = lambda: ALL
    assert json.loads(run("mailing", "get", "7", "--json")[1])["text"] == ALL


@pytest.mark.parametrize("text", BROKEN)
def test_json_of_what_is_no_unicode(text: str) -> None:
    for indent in (True, False):
        assert json.loads(dumps({"file": text}, indent=indent)) == {"file": text}


def test_the_engines_words_are_shown_as_text(run: Run, script: Script) -> None:
    for text in (ALL, "\n", MARKED):
        script.abort = lambda context, text=text: fake_engine.refuse(
            context, grpc.StatusCode.INVALID_ARGUMENT, f"refused: {text}"
        )
        code, out, err = run("mailing", "get", "7")
        assert (code, out, raw(err), err.count("\n")) == (1, "", set(), 1)
        script.abort = lambda context, text=text: fake_engine.refuse(
            context, grpc.StatusCode.INVALID_ARGUMENT, "refused", tag=text, **{f"filter.tags[{text}]": text}
        )
        code, out, err = run("mailing", "get", "7")
        assert (code, out, raw(err), err.count("\n")) == (1, "", set(), 2)
        assert text != MARKED or f"error: tag: {text}\n" in err


BAD_USAGE = [
    "{}",
    "mailing {}",
    "mailing get {}",
    "mailing list {}",
    "mailing list --state {}",
    "mailing create --text x --start {}",
    "mailing create --text x --local-hours {}",
    "mailing list --{}",
    "token create x --role {}",
    "clients import {}",
    "clients import x --format {}",
    "clients export no/such/folder/{}",
    "engine status --tls-ca {}",
    "engine status --token é{}",
]


@pytest.mark.parametrize("command", BAD_USAGE)
def test_what_is_said_about_an_argument_is_text(run: Run, command: str) -> None:
    # No argument of a process has U+0000.
    for text in (ALL.replace("\0", ""), "\n", *BROKEN, "x" + MARKED):
        code, out, err = run(*(word.replace("{}", text) for word in command.split()))
        assert (code in (1, 2), out, raw(err), err.count("\n")) == (True, "", set(), 1), repr(text)


def test_rows_that_an_import_rejects_are_text(run: Run, tmp_path: Path) -> None:
    rows = "".join(f'"{text}",x,y\n'.replace("\0", "") for text in (*HOSTILE, *MARKUP))
    (tmp_path / "c.csv").write_text("phone_number,tag\n" + rows, encoding="utf-8", newline="")
    code, out, err = run("clients", "import", str(tmp_path / "c.csv"))
    assert (code, raw(out + err)) == (1, set())


def test_the_name_of_a_file_may_be_any_bytes(run: Run, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xd1\x1b[31m.csv"
    code, _, err = run("clients", "export", os.fsdecode(name))
    assert (code, raw(err)) == (0, set())
    assert r"\udcd1\x1b[31m.csv" in err
    assert os.path.exists(name)
    assert run("clients", "import", os.fsdecode(name))[:2] == (0, "50 created, 0 updated, 0 unchanged, 0 rejected\n")


# -- markup ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", EVERY)
def test_no_text_is_markup(run: Run, script: Script, command: str) -> None:
    script.spoil = lambda: MARKED
    code, out, _ = run(*command.split())
    assert code == 0
    assert (MARKED in out) is not command.startswith(("clients delete", "mailing watch"))


@pytest.mark.parametrize("name", ["[/]", "[link=x]y", ":x:"])
def test_what_is_made_shows_its_secret_whatever_it_is_called(run: Run, script: Script, name: str) -> None:
    script.spoil = lambda: name
    code, out, _ = run("token", "create", name, "--role", "viewer")
    assert (code, "mlt_Ab3x-the-secret" in out, name in out) == (0, True, True)
    code, out, _ = run("account", "create", name, "--role", "viewer")
    assert (code, name in out) == (0, True)
    assert "password" in out


def test_a_secret_is_shown_when_nothing_else_can_be(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rows: object) -> None:
        raise ValueError("no terminal")

    monkeypatch.setattr(show, "sheet", broken)
    code, out, err = run("token", "create", "x", "--role", "viewer")
    assert (code, out) == (0, "secret     mlt_Ab3x-the-secret\n")
    assert "the rest can't be shown: ValueError('no terminal')" in err


def test_a_secret_is_in_one_piece_in_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "p" * 60)
    assert "mlt_Ab3x-the-secret\n" in run("token", "create", "x", "--role", "viewer")[1]
    assert f" {'p' * 60}\n" in run("account", "create", "x", "--role", "viewer")[1]


def test_the_console_takes_nothing_for_markup_however_it_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    console = Terminal(force_terminal=True, width=2000)
    for text in (*HOSTILE, *BROKEN, *MARKUP):
        table = Table(title=text)
        table.add_column(text)
        table.add_row(text)
        console.print(text)
        console.print(text, markup=True, emoji=True)
        console.print(Text.assemble((text, "red"), text))
        console.print(table)
        out = without_colours(capfd.readouterr().out.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        assert not raw(out)
        assert text not in MARKUP or out.count(text) >= 6


@pytest.mark.parametrize(
    "words",
    [
        *(("messages", "get"), ("mailing", "get"), ("mailing", "pause"), ("clients", "get"), ("engine", "workers")),
        *(("messages", "list", "--mailing"), ("messages", "list", "--client"), ("audit", "--actor-id")),
    ],
    ids=" ".join,
)
def test_a_number_that_no_field_holds_is_one_line(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*words, "99999999999999999999")
    assert (code, out) == (2, "")
    assert (err.count("\n"), "Input should be less than" in err) == (1, True)


def test_json_is_json_in_every_encoding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "latin-1", "cp1251", "utf-8"):
        into = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", into)
            run("--json", "mailing", "list")
        into.flush()
        shown = into.buffer.getvalue().decode(encoding)
        assert json.loads(shown)
