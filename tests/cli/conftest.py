"""What the tests of the `mailing` command share: a fake engine, and a way to run the command against it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.app import call
from tests.cli import fake_engine
from tests.cli.fake_engine import Script

Run = Callable[..., tuple[int, str, str]]
"""Runs the command with these arguments: exit code, stdout, stderr."""


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Script, str]]:
    """A fake engine, and where it listens."""
    script = Script()
    with fake_engine.running(script) as target:
        yield script, target


@pytest.fixture
def script(engine: tuple[Script, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    """The fake engine, fresh, and the environment that leads to it; in a folder without a token."""
    monkeypatch.setenv("MAILING_RUN_FOLDER", str(tmp_path / "no-data"))
    for name in ("MAILING_API_TOKEN", *(f"MAILING_ENGINE_TLS_{kind}" for kind in ("CA", "CERT", "KEY"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAILING_ENGINE_TARGET", engine[1])
    monkeypatch.setenv("COLUMNS", "120")
    vars(engine[0]).update(vars(Script()))
    return engine[0]


@pytest.fixture
def run(script: Script, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = call(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What the command reads as its standard input; empty at first."""
    file = tmp_path / "stdin"
    file.touch()
    with file.open("rb") as source, io.TextIOWrapper(source) as text:
        monkeypatch.setattr(sys, "stdin", text)
        yield file
