"""SIGTERM with a short limit, as real processes: it holds whatever hangs, and no answer that came is thrown away."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest

from common.stopping import LEFT
from tests.crash.campaign import finished, register
from tests.crash.processes import Engine, Provider, sandbox_within
from tests.patience import PATIENT_SECONDS

LATE_SECONDS: Final = 20.0
SWALLOWING: Final = """
import asyncio, sys
import engine.provider.file
from engine.program import main

class Provider(engine.provider.file.FbrqProvider):
    async def send(self, *arguments):
        calling = asyncio.ensure_future(super().send(*arguments))
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

engine.provider.file.FbrqProvider = Provider
sys.exit(main())
"""
pytestmark = pytest.mark.slow


@asynccontextmanager
async def calling(
    folder: Path, latency_seconds: float, limit_seconds: float, messages: int = 40, *, program: str = ""
) -> AsyncIterator[tuple[Engine, Provider, int]]:
    """An engine with four calls under way."""
    async with sandbox_within(latency_seconds) as provider:
        engine = Engine(
            folder,
            f"{provider.url}/v1",
            workers=4,
            flags=("--shutdown-seconds", str(limit_seconds)),
            program=("-c", program) if program else ("-m", "engine"),
        )
        await engine.start()
        try:
            mailing_id = await register(engine.target, messages, "resend")
            async with asyncio.timeout(60):
                while (await provider.stats())["requests"] < 4:
                    await asyncio.sleep(0.01)
            yield engine, provider, mailing_id
        finally:
            await engine.kill()


async def stopped(engine: Engine) -> tuple[int, float]:
    """SIGTERM; its exit code and how long it took."""
    began = time.monotonic()
    return await asyncio.wait_for(engine.stop(), PATIENT_SECONDS), time.monotonic() - began


def takes_signals(pid: int | None) -> bool:
    """Whether SIGTERM is blocked there: a thread of its own waits for it."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk")]
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def test_a_call_that_cannot_end_in_time_is_cut(tmp_path: Path) -> None:
    async with calling(tmp_path, 60, 1.0) as (engine, _, _):
        exit_code, seconds = await stopped(engine)
        assert exit_code == 0
        assert seconds < 1.0 + LATE_SECONDS
        assert len(engine.rows().claimed) == 4, "nobody knows whether they arrived"


async def test_a_call_that_takes_no_cancellation_is_left_behind(tmp_path: Path) -> None:
    async with calling(tmp_path, 60, 1.0, program=SWALLOWING) as (engine, _, _):
        exit_code, seconds = await stopped(engine)
        assert exit_code == LEFT
        assert seconds < 1.0 + LATE_SECONDS
        (line,) = engine.events("stop.limit_over")
        assert "worker-1" in line["tasks"]


async def test_an_answer_within_the_limit_is_stored_and_never_asked_for_again(tmp_path: Path) -> None:
    async with calling(tmp_path, 0.3, LATE_SECONDS) as (engine, provider, mailing_id):
        exit_code, seconds = await stopped(engine)
        assert (exit_code, seconds < LATE_SECONDS) == (0, True)
        rows = engine.rows()
        # Stopped in the middle; what had been called was stored, and the rest was given back.
        assert 0 < len(rows.sent) < 40
        assert (len(rows.sent), len(rows.claimed)) == ((await provider.stats())["accepted"], 0)
        await engine.start()
        async with asyncio.timeout(60):
            assert await finished(engine.target, mailing_id) == (0, 40, 0)
        assert (await provider.stats())["repeated_ids"] == 0


async def test_a_locked_database_does_not_keep_it(tmp_path: Path) -> None:
    async with calling(tmp_path, 0.5, 1.0) as (engine, _, _):
        with closing(sqlite3.connect(engine.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            exit_code, seconds = await stopped(engine)
        assert exit_code == LEFT
        assert seconds < 1.0 + LATE_SECONDS
        assert engine.events("stop.limit_over")[0]["in_hand"] > 0


async def test_a_start_that_waits_for_the_database_ends_in_time(tmp_path: Path) -> None:
    engine = Engine(tmp_path, "http://127.0.0.1:9/v1", workers=4, flags=("--shutdown-seconds", "1"))
    await engine.start()
    await engine.kill()
    before = engine.pid
    with closing(sqlite3.connect(engine.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        starting = asyncio.create_task(engine.start())
        try:
            async with asyncio.timeout(60):
                while engine.pid in (None, before) or not takes_signals(engine.pid):
                    await asyncio.sleep(0.01)
            _, seconds = await stopped(engine)
            with pytest.raises(RuntimeError, match="did not start"):
                await starting
        finally:
            await engine.kill()
    assert seconds < 1.0 + LATE_SECONDS
