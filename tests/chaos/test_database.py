"""A fault of each class on engines that share a PostgreSQL; kills are in ``test_edits.py``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos import database, freeze, stop
from tests.chaos.short import short

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(240)]


async def test_engines_on_postgresql_survive_a_freeze_a_stop_and_faults_of_the_server(tmp_path: Path) -> None:
    report = await short(
        tmp_path,
        "database",
        lambda here: database.suffer(here, ["read-only", "black hole of one"], until_noticed=True),
        lambda here: freeze.act(here, 1),
        lambda here: stop.act(here, 1),
        shutdown_seconds=1.0,
    )
    kinds = Counter(event.kind for event in report.events)
    # An engine was held in a transaction, or all this has shown nothing.
    assert kinds["freeze in a transaction"] == kinds["stop while locked"] == 1
