"""What the log says while the database is away: a line each two seconds, and one when it is back."""

from __future__ import annotations

from contextlib import suppress

from structlog.testing import capture_logs

from engine.store import Store, StoreUnavailable
from engine.store.availability import Availability
from engine.store.database import Tx


def test_a_minute_of_failures_is_thirty_lines_at_most() -> None:
    now = 0.0
    availability = Availability(lambda: now)
    with capture_logs() as lines:
        for _ in range(6_000):
            availability.lost(StoreUnavailable("cut off"))
            now += 0.01
    assert 25 <= len(lines) <= 30
    assert {line["event"] for line in lines} == {"database.away"}
    assert lines[0] == {"event": "database.away", "log_level": "warning", "reason": "cut off"}
    assert lines[1]["more"] == 199


def test_it_is_back_when_an_operation_succeeds() -> None:
    now = 0.0
    availability = Availability(lambda: now)
    with capture_logs() as lines:
        availability.found()
        availability.lost(StoreUnavailable("cut off"))
        now = 0.5
        availability.found()
        now = 7.0
        availability.found()
        availability.found()
    assert [line["event"] for line in lines] == ["database.away", "database.back"]
    assert lines[1]["away_seconds"] == 7.0


def test_a_database_that_comes_and_goes_is_no_more_lines() -> None:
    now = 0.0
    availability = Availability(lambda: now)
    with capture_logs() as lines:
        for _ in range(6_000):
            availability.lost(StoreUnavailable("cut off"))
            availability.found()
            now += 0.01
        assert len(lines) <= 30
        now += 2
        availability.found()
    assert lines[-1]["event"] == "database.back"


async def test_every_operation_tells(store: Store) -> None:
    async def fails(_: Tx) -> None:
        raise StoreUnavailable("cut off")

    for run in (store._db.transaction, store._db.read):
        store._db._availability = Availability()
        with capture_logs() as lines, suppress(StoreUnavailable):
            await run(fails)
        assert [line["event"] for line in lines] == ["database.away"]
