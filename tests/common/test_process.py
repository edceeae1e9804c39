"""common/process.py: a process ends with the one that started it, however that ended."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import pytest

from common import process
from tests.patience import PATIENT_SECONDS

ROOT: Final = Path(__file__).resolve().parents[2]
PARENT: Final = """
import sys, time
from scripts.processes import start
start([sys.executable, "-c", *sys.argv[2:]], {"PYTHONPATH": sys.argv[1]})
time.sleep(600)
"""
CHILD: Final = """
import os, signal, sys, time
from common import process
from tests.patience import PATIENT_SECONDS
process._STOP_MARGIN_SECONDS = 0.05 if "ignore" in sys.argv else 600.0
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"SIGTERM") and os._exit(0))
process.end_with_parent(0.0)
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", process.PARENT_PIPE in os.environ, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("signals", "says"), [("obey", "SIGTERM"), ("ignore", "")])  # which must be ended
def test_a_child_ends_with_its_parent(signals: str, says: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(ROOT), CHILD, signals], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up False\n"
        parent.kill()
        # The child holds the pipe open that we read: its end is the child's.
        began = time.monotonic()
        assert parent.stdout.read().strip() == says
        assert time.monotonic() - began < PATIENT_SECONDS


@pytest.mark.parametrize("number", ["", "x", "-1", "7\n", "99999", str(2**80), "a file"])
def test_a_number_that_is_no_pipe_of_ours_is_nothing(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    began: list[threading.Thread] = []
    monkeypatch.setattr("threading.Thread.start", began.append)
    with open(os.devnull, "rb") as file:
        monkeypatch.setenv(process.PARENT_PIPE, str(file.fileno()) if number == "a file" else number)
        process.end_with_parent(0.0)
    assert began == []
    assert process.PARENT_PIPE not in os.environ


def test_what_was_imported_is_kept_and_garbage_is_collected_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("freeze", "enable"):
        monkeypatch.setattr(gc, name, lambda name=name: done.append(name))
    monkeypatch.setattr(gc, "set_threshold", lambda *_: done.append("set_threshold"))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    process.tune()
    assert done == ["freeze", "set_threshold", "enable"]
