"""Rule 16: RFC 3339 with an offset on input, a naive time is an error; UTC ``Z`` with microseconds on output.

gRPC has Timestamps, which can't be naive: what people write and read goes through the ``mailing`` command.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.app import call
from mailing.v1 import mailing_service_pb2
from scripts.token_channel import API_TOKEN
from tests.rules.rig import Rig, running

_OUTPUT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_EXIT_USAGE = 2

Command = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run one line of ``mailing`` against a rig; its exit code and what it wrote."""
    monkeypatch.setenv("MAILING_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("COLUMNS", "200")

    async def run(rig: Rig, *arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = await asyncio.to_thread(call, [*arguments, "--target", f"127.0.0.1:{rig.service.grpc_port}"])
        return code, *capfd.readouterr()

    return run


def create(start: str, end: str) -> list[str]:
    return ["mailing", "create", "--text", "hello", "--start", start, "--end", end, "--json"]


async def count(rig: Rig) -> int:
    return int((await rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest())).total_size)


async def test_rule_16_a_time_with_an_offset_is_that_instant(tmp_path: Path, command: Command) -> None:
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    ways = [
        f"{day}T12:00:00Z",
        f"{day}T12:00:00.000000Z",
        f"{day}T15:00:00+03:00",
        f"{day}T15:00:00.000+03:00",
        f"{day}T06:30:00-05:30",
        f"{day}T12:00:00+00:00",
        f"{day + timedelta(days=1)}T01:45:00+13:45",
    ]
    async with running(tmp_path) as rig:
        for way in ways:
            code, out, _ = await command(rig, *create(way, f"{day}T21:59:59.123456+03:00"))
            assert code == 0
            told = json.loads(out)
            assert told["start_time"] == f"{day}T12:00:00.000000Z"
            assert told["end_time"] == f"{day}T18:59:59.123456Z"
            stored = await rig.get(int(told["id"]))
            assert stored.start_time.ToDatetime(UTC) == noon
            assert stored.end_time.ToMicroseconds() % 1_000_000 == 123456


async def test_rule_16_a_naive_time_is_an_error_and_nothing_is_stored(tmp_path: Path, command: Command) -> None:
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    aware = f"{day}T21:00:00Z"
    async with running(tmp_path) as rig:
        kept = await rig.register(start_seconds=60)
        await rig.finished(kept.id)
        kept = await rig.get(kept.id)
        for option, arguments in (
            ("--start", create(f"{day}T09:00:00", aware)),
            ("--start", create(f"{day} 09:00:00", aware)),
            ("--start", create(f"{day}", aware)),
            ("--start", create("noon", aware)),
            ("--end", create(f"{day}T09:00:00Z", f"{day}T21:00:00.5")),
            ("--end", ["mailing", "edit", str(kept.id), "--end", f"{day}T21:00:00"]),
        ):
            code, out, err = await command(rig, *arguments)
            assert (code, out) == (_EXIT_USAGE, "")
            assert err.count("\n") == 1
            assert option in err
        assert await count(rig) == 1
        assert await rig.get(kept.id) == kept


async def test_rule_16_every_time_that_is_shown_is_utc_with_microseconds(tmp_path: Path, command: Command) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(share_400=0.3)
        await rig.add_clients(10, time_zone="Asia/Vladivostok")
        # A whole second: the six zeros are written all the same.
        now = datetime.now(UTC).replace(microsecond=0)
        mailing = await rig.register(start_seconds=(now - datetime.now(UTC)).total_seconds() - 5)
        await rig.finished(mailing.id)
        (message, *_) = await rig.list_messages(mailing.id)
        found: dict[str, str] = {}
        for line in (
            "clients list",
            f"mailing get {mailing.id}",
            f"mailing stats {mailing.id}",
            f"messages get {message.id}",
            "engine status",
            "audit",
        ):
            code, out, _ = await command(rig, *line.split(), "--json")
            assert code == 0
            found.update((f"{line}: {path}", text) for path, text in _times(json.loads(out)))
        assert {where: text for where, text in found.items() if not _OUTPUT.fullmatch(text)} == {}
        names = {where.rpartition(".")[2] for where in found}
        assert names >= {"create_time", "update_time", "start_time", "end_time", "sent_time", "heartbeat_time", "time"}


def _times(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every time in an answer, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _times(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _times(inner, f"{path}[{number}]" if isinstance(inner, str) else f"{path}.{number}")
    elif isinstance(value, str) and (path.endswith(("_time", ".time"))):
        yield path, value
