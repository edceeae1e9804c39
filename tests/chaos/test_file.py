"""A file that is moved, without room, on a machine whose power goes; a clock that jumps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import clock, database
from tests.chaos.disk import why_no_disk
from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_an_engine_on_a_file_survives_faults_of_the_disk(tmp_path: Path) -> None:
    names = ["moved"] if why_no_disk() else ["disk full", "power cut", "moved"]
    report = await short(
        tmp_path,
        "database",
        lambda here: database.suffer(here, names, until_noticed=True),
        database="sqlite",
        shutdown_seconds=1.0,
    )
    assert [event.kind for event in report.events] == names
    assert any(answer.status == 503 for answer in report.answers)


async def test_a_clock_that_jumps_delays_nothing_for_long(tmp_path: Path) -> None:
    report = await short(tmp_path, "clock", lambda here: clock.act(here, 2), database="sqlite")
    assert len(report.events) == 2
