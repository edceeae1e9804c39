"""``python scripts/sandbox_provider.py`` as people and scripts run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from scripts.sandbox_provider import main
from tests.patience import PATIENT_SECONDS

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "sandbox_provider.py"


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_prints_its_url_and_stops_on_sigterm() -> None:
    with _start("--listen", "127.0.0.1:0", "--share-5xx", "0.5", "--latency-seconds", "0.01-0.2") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{url.removesuffix('/v1')}/sandbox/faults") as response:
                faults = json.load(response)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert url.startswith("http://127.0.0.1:")
    assert (faults["share_5xx"], faults["latency_seconds"]) == (0.5, [0.01, 0.2])


def test_each_provider_begins_with_the_receipts_that_were_asked_for() -> None:
    receipts = ("--receipts", "--receipts-url", "http://127.0.0.1:1/", "--delay-seconds", "1-5", "--share-lost", "0.1")
    with _start("--listen", "127.0.0.1:0", "--providers", "2", *receipts) as process:
        assert process.stdout is not None
        urls = [process.stdout.readline().strip() for _ in range(2)]
        try:
            switches = []
            for url in urls:
                with urllib.request.urlopen(f"{url.removesuffix('/v1')}/sandbox/receipts") as response:
                    switches.append(json.load(response))
        finally:
            process.terminate()
        assert process.wait(5) == 0
    assert urls[1] == urls[0].replace("/v1", "/beta/v1")
    assert switches[0] == switches[1]
    assert (switches[0]["enabled"], switches[0]["delay_seconds"], switches[0]["share_lost"]) == (True, [1, 5], 0.1)


def test_is_called_by_the_names_that_it_is_told() -> None:
    with _start("--listen", "127.0.0.1:0", "--allow-host", "sandbox") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            answers = {
                host: _status(f"{url.removesuffix('/v1')}/sandbox/stats", host) for host in ("sandbox:1", "evil")
            }
        finally:
            process.terminate()
        assert process.wait(5) == 0
    assert answers == {"sandbox:1": 200, "evil": 421}


def _status(url: str, host: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host})) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--share-400", "2"], "share_400: should be a number from 0 to 1"),
        (["--delay-seconds", "5-1"], "delay_seconds: the shortest should not be above the longest"),
        (["--receipts"], "--receipts needs --service-url or --receipts-url"),
        (["--service-url", "http://127.0.0.1:1"], "--service-url needs --service-token-file"),
        (["--service-token-file", "x"], "--service-token-file needs --service-url or --receipts-url"),
        (["--providers", "4"], "invalid choice: 4"),
        (["--listen", "8090"], "should look like 127.0.0.1:8090"),
    ],
)
def test_bad_arguments_are_one_clear_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_an_address_of_somebody_else_is_one_clear_line() -> None:
    with _start("--listen", "192.0.2.1:8090") as process:
        _, errors = process.communicate(timeout=PATIENT_SECONDS)
    assert process.returncode == 1
    assert "sandbox: can't listen on 192.0.2.1:8090" in errors.splitlines()[-1]
    assert "Traceback" not in errors
