"""What the engine's exit code says of its stop (docs/operating.md)."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from common.stopping import LEFT, Stop
from engine import program as engine
from engine.settings import Settings, load


class Ended:
    """A service whose stop has ended in time."""

    left = 0

    def __init__(self, settings: Settings) -> None:
        """No need of any."""

    def reload(self) -> None:
        """Nobody asks."""

    async def start(self) -> None:
        """At once."""

    async def stop(self, seconds: float) -> None:
        """At once."""

    @property
    def is_whole(self) -> bool:
        return not self.left

    def left_open(self) -> dict[str, Any]:
        return {"outcomes": self.left}


@pytest.mark.parametrize(("outcomes", "code"), [(0, 0), (4, LEFT)])
async def test_outcomes_that_the_database_did_not_take_are_said(
    monkeypatch: pytest.MonkeyPatch, outcomes: int, code: int
) -> None:
    """Found from outside: beside a database that stood still a stop ended in time, with code 0."""
    monkeypatch.setattr(Ended, "left", outcomes)
    monkeypatch.setattr(engine, "Service", Ended)
    stop = Stop(3600)  # so its thread, which ends the process at the limit, sleeps longer than these tests run
    stop.begin()
    with capture_logs() as lines:
        assert await engine.run(load({"fbrq_token": "x"}, {}, None), stop) == code
    assert [line["outcomes"] for line in lines if line["event"] == "stop.limit_over"] == [4] * bool(outcomes)
