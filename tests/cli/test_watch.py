"""`mailing mailing watch` against a fake engine over real gRPC: what it shows, and how it ends."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from cli import watch
from cli.failures import EXIT_SERVICE, EXIT_UNREACHABLE
from mailing.v1 import (
    mailing_pb2,
)
from tests.cli import fake_engine
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script, progress
from tests.patience import PATIENT_SECONDS
from tests.ports import held_port

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"  # nobody listens there


def test_watch_writes_plain_lines_and_ends_when_nothing_is_pending(run: Run, script: Script) -> None:
    script.progress = [[progress(0), progress(500, not_sent=2), progress(998, not_sent=2)]]
    script.hangs = True  # the mailing's window stays open, and so does the stream
    code, out, _ = run("mailing", "watch", "7")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "mailing 7 active: 0 of 1,000 (0.0%), 0 sent, 0 not sent, 1,000 pending, 250/s, 4 s left"
    assert lines[-1] == ("mailing 7 active, all done: 1,000 of 1,000 (100.0%), 998 sent, 2 not sent, 0 pending")


def test_watch_ends_with_the_stream(run: Run, script: Script) -> None:
    script.progress = [[progress(10, state=mailing_pb2.MAILING_STATE_PAUSED)]]
    code, out, _ = run("mailing", "create", "--text", "x", "--watch")
    assert (code, out.splitlines()[0]) == (0, "Mailing 7 is registered.")
    assert "paused" in out


def test_watch_in_json_is_an_object_a_line(run: Run, script: Script) -> None:
    script.progress = [[progress(0), progress(1000)]]
    values = [
        json.loads(line)
        for line in run(
            "mailing",
            "watch",
            "7",
            "--json",
        )[1].splitlines()
    ]
    assert [value["message_counts"]["sent"] for value in values] == [0, 1000]


def test_watch_outlives_a_restart_of_the_engine(run: Run) -> None:
    script = Script()
    script.progress, script.hangs = [[progress(300)]], True
    over = threading.Event()
    with held_port() as port:
        target = f"127.0.0.1:{port}"
        first = fake_engine.running(script, target)
        first.__enter__()

        def restart() -> None:
            while not script.watches:
                time.sleep(0.01)
            first.__exit__(None, None, None)
            script.progress = [[progress(1000)]]
            with fake_engine.running(script, target):
                over.wait(PATIENT_SECONDS)

        thread = threading.Thread(target=restart)
        thread.start()
        code, out, _ = run("mailing", "watch", "7", "--target", target)
        over.set()
        thread.join(PATIENT_SECONDS)
    assert code == 0
    assert "the engine is away, waiting for it" in out
    assert "300 of 1,000" in out
    assert "1,000 of 1,000" in out


def test_watch_gives_up_on_an_engine_that_stays_away(run: Run, script: Script) -> None:
    script.progress = [[progress(0)], [progress(0)]]
    code, _, err = run("mailing", "watch", "7", "--reconnect-seconds", "0")
    assert code == EXIT_UNREACHABLE
    assert "the engine stops" in err


def test_watch_notices_an_engine_that_has_gone_silent(
    run: Run, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENCE_SECONDS", 0.1)
    script.progress, script.hangs = [[progress(0)]], True
    code, _, err = run("mailing", "watch", "7", "--reconnect-seconds", "0.05")
    assert (code, err.count("\n")) == (EXIT_UNREACHABLE, 1)
    assert "has gone silent" in err


def test_watch_stops_when_the_mailing_is_deleted(run: Run, script: Script) -> None:
    script.abort = lambda context: fake_engine.refuse(context, grpc.StatusCode.NOT_FOUND, "there is no mailing 7")
    assert run("mailing", "watch", "7") == (EXIT_SERVICE, "", "error: there is no mailing 7\n")


def _standing_still(**fields: Any) -> Any:
    step = progress(10, **fields)
    step.rate_per_second = 0
    return step


def test_watch_says_that_a_mailing_waits_for_its_local_hours(
    run: Run, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = _standing_still()
    still.forecast.next_open_time.FromDatetime(datetime(2026, 1, 1, 3))
    script.progress = [[still, progress(500), progress(1000)]]
    code, out, _ = run("mailing", "watch", "7", "--utc")
    waits = "waits for its local hours, the next at 2026-01-01 03:00:00Z"
    assert code == 0
    assert out.splitlines()[0] == (f"mailing 7 active: 10 of 1,000 (1.0%), 10 sent, 0 not sent, 990 pending, {waits}")
    assert "0/s" not in out.splitlines()[0]
    assert "left" not in out.splitlines()[0]
    monkeypatch.setenv("TZ", "Europe/Moscow")
    time.tzset()
    script.watches = 0
    assert "the next at 2026-01-01 06:00:00+03:00" in run("mailing", "watch", "7")[1]
    monkeypatch.delenv("TZ")
    time.tzset()


def test_watch_does_not_say_so_of_one_that_stands_still_for_another_reason(run: Run, script: Script) -> None:
    script.progress = [[_standing_still(), progress(1000)]]
    out = run("mailing", "watch", "7")[1]
    assert out.splitlines()[0].endswith("990 pending, 0/s")  # and no time left, which nobody can know
    assert "waits" not in out
