"""People edit while engines send and die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import edits
from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(240)]


async def test_no_call_begins_that_a_change_forbids(tmp_path: Path) -> None:
    report = await short(tmp_path, "edits", lambda here: edits.act(here, 60, kills=1), shape={"clients": 300})
    assert len(report.begun) > 300
    assert any(event.kind == "kill" for event in report.events)
