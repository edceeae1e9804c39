"""scripts/abuse: what it measures, how it judges, and one cheap attack from end to end. No times are asserted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import threading
import urllib.request

import pytest

from scripts.bench.service_process import service
from tests.abuse import measure
from tests.abuse.__main__ import ATTACKS, FLOORS, HEADER, main, shown
from tests.abuse.attack import Attack, Seen, ask, counted
from tests.abuse.measure import Memory, Probe, Row, carry_out
from tests.abuse.target import Target, listening_pid

NOBODY = Target(
    http="127.0.0.1:1",
    grpc="127.0.0.1:1",
    metrics="127.0.0.1:1",
    operator="",
    viewer="",
    password=None,
    engine_pid=None,
    gateway_pid=None,
    engine_log=None,
    mailing_id=None,
)


def row(**changes: object) -> Row:
    good: dict[str, object] = {
        "name": "1a",
        "title": "a bomb",
        "gateway_wait_seconds": 0.49,
        "engine_wait_seconds": 0.0,
        "memory_mib": 63.9,
        "speed_share": 0.8,
        "log_lines": 1.0,
        "note": "15 x 401",
    }
    made = Row(**{**good, **changes})  # type: ignore[arg-type]
    made.judge()
    return made


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"memory_mib": None, "speed_share": None, "log_lines": None}, []),
        ({"gateway_wait_seconds": 0.5}, ["gateway"]),
        ({"engine_wait_seconds": 68.0}, ["engine"]),
        ({"memory_mib": 64.0}, ["memory"]),
        ({"memory_mib": 128.0, "memory_mib_by_design": 128.0}, []),
        ({"memory_mib": 192.0, "memory_mib_by_design": 128.0}, ["memory"]),
        ({"speed_share": 0.79}, ["speed"]),
        ({"speed_share": 0.0}, ["speed"]),
        ({"log_lines": 1.1}, ["log"]),
        ({"is_note_bad": True}, ["note"]),
        ({"gateway_wait_seconds": 9.0, "memory_mib": 3000.0}, ["gateway", "memory"]),
    ],
)
def test_each_floor_marks_its_own_column(changes: dict[str, object], broken: list[str]) -> None:
    found = row(**changes)
    assert found.broken == broken
    assert shown(found).count("!") == len(broken)


def test_columns_stand_under_their_names() -> None:
    line = shown(row(title=ATTACKS[1].title))
    for title, value in (("gateway s", "0.49"), ("memory MiB", "64"), ("speed kept", "0.80"), ("log lines/s", "1.0")):
        end = HEADER.index(title) + len(title)
        assert line[: end - 2].endswith(value), (title, line)


def test_every_line_of_the_issue_is_attacked() -> None:
    numbers = {re.match(r"\d+", attack.name)[0] for attack in ATTACKS}  # type: ignore[index]
    assert numbers == {"0", "1", "2", "3", "4", "5", "6", "9"}
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_answers_are_counted() -> None:
    assert counted([401, 0, 401, 413]) == "2 x 401, 1 x no answer, 1 x 413"


def test_the_one_who_listens_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listening_pid(port) == os.getpid()
    assert listening_pid(port) is None


def test_a_peak_of_memory_is_seen_when_it_is_over() -> None:
    memory = Memory((os.getpid(), None))
    memory.begin()
    much = bytearray(os.urandom(1)) * (100 * 2**20)
    del much
    added = memory.added_mib()
    assert added is not None
    assert added > 90
    assert Memory((None,)).added_mib() is None


def test_being_turned_away_is_a_wait_and_not_an_answer() -> None:
    """Two are refused, the third is answered: until then the stranger waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = Probe(f"127.0.0.1:{server.getsockname()[1]}")
        probe.start()
        for answer in (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n"):
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                assert not probe.is_calm
                connection.sendall(answer)
        probe.end()
        probe.join(30)
    assert probe.worst_seconds >= 2 * measure._PROBE_PAUSE_SECONDS


async def _fails(_target: Target, _seconds: float) -> Seen:
    raise KeyError("a fault of ours")


async def _tells(target: Target, seconds: float) -> Seen:
    return Seen(f"{target.http} for {seconds:g} s")


def test_attackers_are_a_process_of_their_own() -> None:
    assert carry_out(Attack("x", "x", _tells), NOBODY, 0.5) == Seen("127.0.0.1:1 for 0.5 s")
    assert carry_out(Attack("x", "x", _fails), NOBODY, 0.1).is_bad


async def test_a_body_that_is_refused_half_way_has_an_answer_still() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await ask(address, "POST", "/", b"x" * 1000, {}) == 413
    assert await ask("127.0.0.1:1", "GET", "/", b"", {}) == 0


def test_another_machine_is_never_attacked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILING_API_TOKEN", "x")
    for flags in (
        ["--http", "10.0.0.7:80"],
        ["--http", "127.0.0.1:1", "--grpc", "engine:1"],
        ["--http", "127.1.evil:1"],
    ):
        assert main(flags) == 2
        assert "only a service on this machine is attacked" in capsys.readouterr().err
    monkeypatch.delenv("MAILING_API_TOKEN")
    assert main(["--http", "127.0.0.1:1"]) == 2
    assert "MAILING_API_TOKEN" in capsys.readouterr().err


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "CALM_SECONDS", 0.2)


@pytest.mark.usefixtures("quick")
def test_a_service_of_its_own_is_attacked_and_the_table_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--only", "0", "4e", "--seconds", "0.2", "--clients", "300", "--rate", "50"])
    out, err = capsys.readouterr()
    assert err == ""
    header, nothing, storm, *floors = out.splitlines()
    assert header == HEADER
    assert nothing.startswith("0  nothing")
    assert re.match(r"4e Health\.List, .* \d+ calls: [A-Z]+", storm)
    assert "\n".join(floors).startswith(FLOORS)
    assert code == (0 if floors[-1] == "All floors held." else 1)
    assert threading.active_count() < 50


@pytest.mark.usefixtures("quick")
def test_a_service_that_runs_is_attacked_and_left_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with service() as running:
        monkeypatch.setenv("MAILING_API_TOKEN", running.token)
        monkeypatch.delenv("MAILING_ADMIN_PASSWORD", raising=False)
        where = ("--http", running.address, "--grpc", running.grpc, "--metrics", running.metrics)
        assert main([*where, "--only", "4c", "5", "4e", "--seconds", "0.1"]) in (0, 1)
        out, err = capsys.readouterr()
        assert err == ""
        assert "5  60 at a time guess admin's password: left out" in out
        assert re.search(r"^4c .*: left out", out, re.MULTILINE)
        assert re.search(r"^4e .* - ", out, re.MULTILINE)
        url = f"http://{running.address}/api/v1/tokens"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {running.token}"})
        with urllib.request.urlopen(request) as answer:
            tokens = json.loads(answer.read())["tokens"]
    assert [token["name"].split()[:2] for token in tokens if not token["revoke_time"]] == [["MAILING_API_TOKEN"]]
    assert len(tokens) == 3
