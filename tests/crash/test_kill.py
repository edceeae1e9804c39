"""Short campaigns of kills, and a stop that is asked for; the long ones: ``scripts/crash``."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.crash.campaign import finished, register, run
from tests.crash.processes import Engine, sandbox

SHUTDOWN_SECONDS = 10.0
"""The setting's default."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on_uncertain", "slots", "messages", "kills"), [("resend", 0, 1200, 3), ("not_sent", 64, 800, 2)]
)
async def test_kills_lose_nothing_and_repeat_only_what_was_in_flight(
    on_uncertain: str, slots: int, messages: int, kills: int, tmp_path: Path
) -> None:
    report = await run(tmp_path, messages=messages, kills=kills, workers=16, slots=slots, on_uncertain=on_uncertain)
    assert report.faults() == []
    # The engine did die at work, or all this has shown nothing.
    assert len(report.kills) == kills
    assert all(kill.sent < messages for kill in report.kills)
    assert report.in_flight


@pytest.mark.slow
async def test_a_stop_lets_calls_end_repeats_none_and_the_next_start_finishes(tmp_path: Path) -> None:
    messages = 150
    async with sandbox("--latency-seconds", "0.3") as provider:
        engine = Engine(tmp_path, f"{provider.url}/v1", workers=16)
        await engine.start()
        try:
            mailing_id = await register(engine.target, messages, "resend")
            await provider.accepted(messages // 3)
            began = time.monotonic()
            exit_code = await engine.stop()
            seconds = time.monotonic() - began
            rows, called = engine.rows(), (await provider.stats())["accepted"]
            await engine.start()
            async with asyncio.timeout(30):
                counted = await finished(engine.target, mailing_id)
        finally:
            await engine.stop()
        stats = await provider.stats()
    assert exit_code == 0
    assert seconds < SHUTDOWN_SECONDS
    # Stopped in the middle, what had been called was stored, and the rest was given back.
    assert (len(rows.sent), len(rows.claimed)) == (called, 0)
    assert called < messages
    assert counted == (0, messages, 0)
    assert (stats["requests"], stats["repeated_ids"]) == (messages, 0)
