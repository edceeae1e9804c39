"""scripts/processes.py: children that die, ports in use, commands in the foreground."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.processes import Child, Failed, claim_port, get, run_watched, wait_until
from tests.patience import PATIENT_SECONDS

SLEEPER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    """A child that runs until it is told to stop."""
    child = Child("sleeper", python(SLEEPER), dict(os.environ), tmp_path / "sleeper.log")
    assert wait_until(lambda: "up" in child.tail(), [child], PATIENT_SECONDS)
    yield child
    child.stop(PATIENT_SECONDS)


def dead(tmp_path: Path, code: str) -> Child:
    """A child that has ended."""
    child = Child("engine", python(code), dict(os.environ), tmp_path / "engine.log")
    child._process.wait(PATIENT_SECONDS)
    return child


def test_child_that_lives_is_fine_and_stops_on_request(sleeper: Child) -> None:
    sleeper.check()
    assert sleeper.stop(PATIENT_SECONDS)


def test_child_that_died_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = dead(tmp_path, "import sys\nfor n in range(100): print('line', n)\nsys.exit(3)")
    with pytest.raises(Failed, match=r"the engine ended with exit code 3; the end of .*engine\.log:") as error:
        child.check()
    assert str(error.value).endswith("    line 99")
    assert "line 5\n" not in str(error.value)
    assert not child.stop(1)


def test_a_log_that_is_cut_off_goes_on_at_its_new_end(tmp_path: Path) -> None:
    """As logrotate's `copytruncate` does it: no hole of zeros as long as what was cut off."""
    cut = f"import os\nprint('before', flush=True)\nos.truncate({str(tmp_path / 'engine.log')!r}, 0)\nprint('after')"
    child = dead(tmp_path, cut)
    assert child.log.read_text() == "after\n"


def test_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(99)"
    child = Child("deaf", python(deaf), dict(os.environ), tmp_path / "deaf.log")
    assert wait_until(lambda: "up" in child.tail(), [child], PATIENT_SECONDS)
    assert not child.stop(0.05)
    with pytest.raises(Failed, match="was killed by signal 9"):
        child.check()


def test_waiting_ends_with_the_limit_or_with_a_dead_child(sleeper: Child, tmp_path: Path) -> None:
    assert not wait_until(lambda: False, [sleeper], 0.0)
    with pytest.raises(Failed):
        wait_until(lambda: False, [sleeper, dead(tmp_path, "pass")], PATIENT_SECONDS)


def test_command_in_the_foreground_gives_its_exit_code(sleeper: Child, tmp_path: Path) -> None:
    assert run_watched(python("import sys; sys.exit(7)"), dict(os.environ), [sleeper]) == 7
    with (tmp_path / "out").open("wb") as out:
        assert run_watched(python("print('hello')"), dict(os.environ), [], out) == 0
    assert (tmp_path / "out").read_text() == "hello\n"


def test_command_in_the_foreground_ends_with_a_child(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Failed):
        run_watched(python("import time; time.sleep(600)"), dict(os.environ), [dead(tmp_path, "pass")])
    assert time.monotonic() - began < PATIENT_SECONDS


def test_port_zero_becomes_a_free_port() -> None:
    host, _, port = claim_port("127.0.0.1:0", "MAILING_GRPC_LISTEN").partition(":")
    assert host == "127.0.0.1"
    assert 0 < int(port) < 32_768, "the system gives it to a connection"
    assert claim_port(f"{host}:{port}", "MAILING_GRPC_LISTEN") == f"{host}:{port}"


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Failed) as error:
            claim_port(address, "MAILING_GRPC_LISTEN")
    expected = f"can't listen on {address} (MAILING_GRPC_LISTEN): Address already in use; --free-ports takes any"
    assert str(error.value) == expected


def test_address_without_a_port_is_one_line() -> None:
    with pytest.raises(Failed, match="can't listen on localhost"):
        claim_port("localhost", "MAILING_GRPC_LISTEN")


def test_get_says_why_nobody_answered() -> None:
    status, reason = get("http://127.0.0.1:1/")
    assert status == 0
    assert "refused" in reason
