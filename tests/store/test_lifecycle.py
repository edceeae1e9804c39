"""The statuses and reasons in the store's SQL are those of the lifecycle's table, and stand in one file only."""

from __future__ import annotations

import re
import sqlite3
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

import engine.store
from engine.domain.message import TABLE, Event, Reason, Status, step
from engine.store import lifecycle
from engine.store.store import Store

FOLDER: Final = Path(engine.store.__file__).parent
DIGIT: Final = re.compile(
    r"\b(status|reason)[\"\']?\s*(=|==|!=|<>|<|<=|>|>=|IN|in|BETWEEN|default=)\s*\(?\s*\d", re.IGNORECASE
)
EVERY: Final = [those for number in range(1, len(Status) + 1) for those in combinations(Status, number)]


def test_no_file_of_the_store_spells_a_status_or_a_reason() -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(FOLDER.glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if DIGIT.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["status = 0", "m.status IN (1, 2)", "m.status >= 3", "reason = 4", "status BETWEEN 0 AND 2", "status == 3"]
)
def test_a_digit_would_be_found(text: str) -> None:
    assert DIGIT.search(f'f"SELECT id FROM message AS m WHERE {text} AND due_us > 0"')


@pytest.mark.parametrize("statuses", EVERY)
def test_a_condition_holds_for_its_statuses_and_no_others(statuses: tuple[Status, ...]) -> None:
    held = sqlite3.connect(":memory:")
    rows = " UNION ALL ".join(f"SELECT {status:d} AS status" for status in Status)
    found = held.execute(
        f"SELECT m.status FROM ({rows}) AS m WHERE {lifecycle.in_status(*statuses, of='m')}"
    ).fetchall()
    held.close()
    assert {Status(status) for (status,) in found} == set(statuses)


@pytest.mark.parametrize("event", Event)
def test_an_event_is_stored_as_the_table_says(event: Event) -> None:
    outcomes = {result for (_, possible), result in TABLE.items() if possible is event}
    if len(outcomes) > 1:
        with pytest.raises(ValueError, match=event.name):
            lifecycle.set_by(event)
        return
    (outcome,) = outcomes
    assert lifecycle.set_by(event) == lifecycle.set_to(outcome)


def test_a_step_sets_status_and_reason() -> None:
    assert lifecycle.set_to(step(Status.CLAIMED, Event.BEGIN)) == f"status = {Status.CALLING:d}"
    expired = step(Status.PENDING, Event.EXPIRE)
    assert lifecycle.set_to(expired) == f"status = {Status.NOT_SENT:d}, reason = {Reason.EXPIRED:d}"


async def test_the_migrations_say_the_same() -> None:
    """SQLite uses a partial index only where a statement repeats its condition; the constraints are the last fence."""
    store = await Store.open("sqlite://:memory:")
    rows = await store._db.read(lambda tx: tx.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    await store.close()
    made = dict(map(tuple, rows))
    assert made["message_due"].endswith(f"WHERE {lifecycle.is_waiting()}")
    assert made["message_unsure"].endswith(f"WHERE {lifecycle.is_waiting()} AND unsure")
    assert made["message_lease"].endswith(f"WHERE {lifecycle.is_taken()}")
    assert made["message_not_sent"].endswith(f"WHERE {lifecycle.shown_as('not_sent')}")
    uncalled = lifecycle.in_status(Status.PENDING, Status.NOT_SENT)
    for constraint in (
        f"status BETWEEN {min(Status):d} AND {max(Status):d}",
        f"reason BETWEEN {min(Reason):d} AND {max(Reason):d}",
        f"({lifecycle.shown_as('not_sent')}) = (reason IS NOT NULL)",
        f"({lifecycle.is_taken()}) = (owner IS NOT NULL)",
        f"NOT stale OR {lifecycle.is_taken()}",
        f"client_id IS NOT NULL OR stale OR status >= {min(status for status in Status if status.is_final):d}",
        f"attempt > 0 OR {uncalled}",
        f"DEFAULT {Status.PENDING:d} CHECK (status",
    ):
        assert constraint in made["message"], constraint
