"""Short campaigns of kills; the long ones: ``scripts/crash``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.campaign import run


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
    assert report.suppressed
