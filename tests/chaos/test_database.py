"""Everything that can happen to a database and its engines, once each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.database import POSTGRES_FAULTS
from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.postgres
async def test_engines_on_postgresql_survive_kills_freezes_stops_and_every_fault_of_the_server(tmp_path: Path) -> None:
    report = await short(tmp_path, "database", len(POSTGRES_FAULTS), ("kill", 1), ("freeze", 2), ("stop", 2))
    kinds = Counter(event.kind for event in report.events)
    assert set(POSTGRES_FAULTS) < set(kinds)
    assert kinds["kill"] == kinds["stop while locked"] == kinds["stop while black hole"] == 1
    # An engine was held in a transaction, and the server was away, or all this has shown nothing.
    assert kinds["freeze in a transaction"]
    assert any(answer.status == 503 for answer in report.answers)
