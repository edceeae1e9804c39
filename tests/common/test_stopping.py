"""common/stopping.py, as real processes: the limit of a stop holds, whatever hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from common.stopping import LEFT
from tests.patience import PATIENT_SECONDS

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_SECONDS: Final = 0.1
MARGIN_SECONDS: Final = 1.0
"""So much later than its limit a stop is over; twice that where a busy machine runs many tests."""
CHILD: Final = """
import asyncio, logging, os, sys, threading, time
from common import logs
from common.stopping import Stop, end

async def swallow():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

class Service:
    async def start(self):
        self.up()

    def up(self):
        os.write(1, b"up\\n")

    async def stop(self, seconds):
        os.write(1, b"stopped %.1f\\n" % seconds)

    def left_open(self):
        return {"in_hand": 7}

stop = Stop(float(sys.argv[1]))
"""
RUN: Final = """
logs.configure("json", "info")
stop.watch_signals()
asyncio.run(stop.serve(S()))
"""
WELL: Final = "class S(Service): pass"
STOP_HANGS: Final = """
class S(Service):
    async def stop(self, seconds):
        await asyncio.sleep(600)
"""
START_WAITS: Final = """
class S(Service):
    async def start(self):
        self.up()
        await asyncio.sleep(600)
"""
START_SWALLOWS: Final = """
class S(Service):
    async def start(self):
        self.up()
        await swallow()
"""
LOOP_IS_BLOCKED: Final = """
class S(Service):
    async def start(self):
        self.up()
        time.sleep(600)
"""
TASK_SWALLOWS: Final = """
class S(Service):
    async def start(self):
        self.task = asyncio.create_task(swallow(), name="worker-1")
        self.up()
"""
THREAD_HANGS: Final = """
class S(Service):
    async def start(self):
        threading.Thread(target=time.sleep, args=(600,)).start()
        self.up()
"""
LOG_IS_FULL: Final = """
class S(Service):
    async def start(self):
        threading.Thread(target=os.write, args=(2, bytes(2**20)), daemon=True).start()
        time.sleep(0.05)
        threading.Thread(target=logging.getLogger().error, args=("more",), daemon=True).start()
        self.up()

    async def stop(self, seconds):
        await asyncio.sleep(600)
"""
START_FAILS: Final = """
class S(Service):
    async def start(self):
        self.up()
        raise OSError("no such thing")

    async def stop(self, seconds):
        await asyncio.sleep(600)
"""


@contextmanager
def child(code: str, limit_seconds: float = LIMIT_SECONDS) -> Iterator[subprocess.Popen[str]]:
    """A process whose service is up."""
    command = [sys.executable, "-c", CHILD + code + RUN, str(limit_seconds)]
    made = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert made.stdout is not None
        assert made.stdout.readline() == "up\n"
        yield made
    finally:
        made.kill()
        made.communicate()


def ended_within(process: subprocess.Popen[str], seconds: float) -> int:
    """Its exit code, if it ends in time."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it has not ended within {seconds:g} s")


@pytest.mark.parametrize(
    ("code", "number"), [(WELL, signal.SIGINT), (START_WAITS, signal.SIGTERM)], ids=["up", "starting"]
)
def test_a_stop_in_order(code: str, number: signal.Signals) -> None:
    with child(code, 600) as process:
        process.send_signal(number)
        out, errors = process.communicate(timeout=PATIENT_SECONDS)
        assert (process.returncode, errors) == (0, "")
        # A signal that was noted before the loop ran has used up a little of the time, on a busy machine.
        assert out.startswith("stopped ")
        assert 500 < float(out.removeprefix("stopped ")) <= 600


@pytest.mark.parametrize(
    "code", [STOP_HANGS, START_SWALLOWS, LOOP_IS_BLOCKED, TASK_SWALLOWS, THREAD_HANGS],
    ids=["stop", "start", "loop", "task", "thread"],
)  # fmt: skip
def test_what_hangs_does_not_keep_the_process(code: str) -> None:
    with child(code) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert ended_within(process, PATIENT_SECONDS) == LEFT
        assert time.monotonic() - began >= LIMIT_SECONDS
        assert process.stderr is not None
        errors = process.stderr.read()
        assert errors.count("\n") == 1
        assert '"stop.limit_over"' in errors
        assert '"in_hand": 7' in errors or '"in_hand":7' in errors


def test_a_log_that_nobody_reads_does_not_keep_it_either() -> None:
    with child(LOG_IS_FULL) as process:
        process.send_signal(signal.SIGTERM)
        assert ended_within(process, PATIENT_SECONDS) == LEFT


@pytest.mark.parametrize("code", [STOP_HANGS, LOOP_IS_BLOCKED], ids=["stop", "loop"])
def test_a_second_signal_leaves_at_once(code: str) -> None:
    with child(code, 600) as process:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)  # the first may not have been taken yet, and two that wait are one
            process.send_signal(signal.SIGTERM)
        assert process.returncode == LEFT


def test_after_a_start_that_failed_the_limit_holds_too() -> None:
    with child(START_FAILS) as process:
        assert ended_within(process, PATIENT_SECONDS) == LEFT
