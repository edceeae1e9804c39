"""People edit while engines send and die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(240)]


async def test_no_call_begins_that_a_change_forbids(tmp_path: Path) -> None:
    report = await short(tmp_path, "edits", 100)
    assert len(report.arrivals.calls) > 500
