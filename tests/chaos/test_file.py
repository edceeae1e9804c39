"""A file that is locked, moved, without room, on a machine whose power goes; and an engine stopped while it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_an_engine_on_a_file_survives_every_fault_of_the_disk(tmp_path: Path) -> None:
    report = await short(tmp_path, "database", 4, ("stop", 1), database="sqlite")
    assert report.events[-1].kind == "lock"
    assert any(answer.status == 503 for answer in report.answers)


async def test_a_clock_that_jumps_delays_nothing_for_long(tmp_path: Path) -> None:
    report = await short(tmp_path, "clock", 2, database="sqlite")
    assert len(report.events) == 2
