"""Short campaigns of kills; the long ones: ``scripts/crash``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.campaign import run
from tests.crash.personal import run_personal
from tests.crash.receipts import run_receipts

pytestmark = pytest.mark.timeout(180)  # each start of an engine takes seconds on a busy machine


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


@pytest.mark.slow
@pytest.mark.parametrize("on_uncertain", ["resend", "not_sent"])
async def test_kills_change_no_text_and_no_fixed_audience(on_uncertain: str, tmp_path: Path) -> None:
    report = await run_personal(tmp_path, messages=500, kills=2, workers=16, on_uncertain=on_uncertain)
    assert report.faults() == []
    assert any(kill.in_flight for kill in report.kills)
    assert report.incomplete
    renamed = {number for number, person in report.people.items() if len(person.names) > 1}
    assert any(one.is_sent and int(one.message.phone_number) in renamed for one in report.told)


@pytest.mark.slow
@pytest.mark.parametrize("on_uncertain", ["resend", "not_sent"])
async def test_kills_lose_no_receipt_and_give_no_message_to_two_providers(on_uncertain: str, tmp_path: Path) -> None:
    report = await run_receipts(tmp_path, messages=150, kills=1, workers=8, on_uncertain=on_uncertain)
    assert report.faults() == []
    assert len(report.desk.answered) > 50
    # Some went from one provider to the other, or all this has shown nothing.
    assert any(len({call.provider for call in calls}) > 1 for calls in report.calls.values())
