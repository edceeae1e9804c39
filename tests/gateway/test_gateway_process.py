"""``python -m gateway`` as a process: it starts without an engine, speaks TLS, and ends cleanly when asked to."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_tls import Authority
from tests.patience import PATIENT_SECONDS

ROOT = Path(__file__).parents[2]


@contextmanager
def process(folder: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it on a free port; gives the process and its URL."""
    command = [sys.executable, "-m", "gateway", "--http-listen", "127.0.0.1:0", "--log-format", "json"]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
    made = subprocess.Popen(
        [*command, "--engine-target", "127.0.0.1:1", *flags], cwd=folder, env=environ, stderr=subprocess.PIPE, text=True
    )
    try:
        assert made.stderr is not None
        started = json.loads(made.stderr.readline())
        assert started["event"] == "gateway.started"
        yield made, started["url"]
    finally:
        made.kill()
        made.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (running, url):
        with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENT_SECONDS) as answer:
            assert answer.read() == b"ok\n"
        running.send_signal(number)
        _, err = running.communicate(timeout=PATIENT_SECONDS)
        assert running.returncode == 0, err
        assert '"gateway.stopped"' in err
        assert "Traceback" not in err


def test_https(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue("gateway")
    files = ("--http-tls-cert", str(tmp_path / "gateway.pem"), "--http-tls-key", str(tmp_path / "gateway.key"))
    with process(tmp_path, *files) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(authority.path))
        there = url.replace("127.0.0.1", "localhost")
        with urllib.request.urlopen(f"{there}/healthz", timeout=PATIENT_SECONDS, context=trusted) as answer:
            assert answer.read() == b"ok\n"


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue("one")
    authority.issue("two")
    pair = ["--http-tls-cert", str(tmp_path / "one.pem"), "--http-tls-key", str(tmp_path / "two.key")]
    files = ["--http-listen", "127.0.0.1:0", *pair]
    with process(tmp_path) as (_, url):
        taken = ["--http-listen", url.removeprefix("http://")]
        for flags, words, code in ((taken, "can't listen on", 1), (files, "is not the private key of", 2)):
            command = [sys.executable, "-m", "gateway", *flags]
            environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
            ended = subprocess.run(
                command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=PATIENT_SECONDS, check=False
            )
            assert ended.returncode == code
            (line,) = ended.stderr.splitlines()
            assert line.startswith("python -m gateway: ")
            assert words in line
