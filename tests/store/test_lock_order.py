"""One order of locks for all transactions (docs/decisions/lock-order.md)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import pytest

from engine.store.database import Row
from engine.store.postgres import PostgresTx
from tests.store.commotion import Commotion, deadlocks
from tests.store.conftest import Opener
from tests.store.verbs_in_turn import every_verb

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgres"], indirect=True)]

ORDER: Final = (
    "client",
    "message",
    "told",
    "past_stat",
    "mailing",
    "mailing_breakdown",
    "mailing_counters",
    "mailing_stat",
    "control",
    "engine",
)
"""Tables whose rows are waited for, in the order of the document, which a test compares."""
_AT_THE_END: Final = ("mailing_counters", "mailing_stat", "control")
_KEYS: Final = {"mailing_counters": "mailing_id", "mailing_breakdown": "mailing_id"}
# A unique key is waited for as well: a number that another transaction is giving to a client, a line of statistics.
_WAITS_FOR_A_KEY: Final = re.compile(r"INSERT INTO (client|mailing_stat)\b|UPDATE (client)\b")
_IN_ORDER: Final = re.compile(
    r"ORDER BY ((m|\w+)\.)?(id|mailing_id)\b[^)]*FOR UPDATE"
    r"|INSERT INTO mailing_stat .* ORDER BY mailing_id, kind, key"
    r"|DELETE FROM mailing WHERE"  # the last of a mailing, whose counters and statistics nobody else has
)


def _locked_sql() -> str:
    """Each key of a row that others can't change now, with its table: SHARE and stronger, but not the KEY SHARE of
    foreign keys."""
    free, locked = [], []
    for table in ORDER:
        key = _KEYS.get(table, "id")
        free.append(f"free_{table} AS (SELECT {key} FROM {table} FOR NO KEY UPDATE SKIP LOCKED)")
        locked.append(f"SELECT '{table}', {key} FROM {table} WHERE {key} NOT IN (SELECT {key} FROM free_{table})")
    return f"WITH {', '.join(free)} {' UNION ALL '.join(locked)}"


class Observer:
    """Looks from a session of its own, after each statement of the store's, at which rows are locked by then."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self._session = session
        self.is_looking = False
        self.problems: list[str] = []
        self.seen: list[str] = []
        """Tables in which a row was locked, of the last verb."""
        self._held: dict[str, set[int]] = {}

    def begins(self) -> None:
        """A transaction begins."""
        self._held = {table: set() for table in ORDER}
        self.seen = []

    async def after(self, sql: str) -> None:
        """Judge the statement that has just run."""
        if not self.is_looking:
            return
        highest = max((ORDER.index(table) for table, rows in self._held.items() if rows), default=-1)
        if any(self._held[table] for table in ("mailing_counters", "mailing_stat")) and not _is_last(sql):
            self.problems.append(f"it follows the counters: {sql}")
        keyed = _WAITS_FOR_A_KEY.search(sql)
        locked = await self._session.fetch(_locked_sql())
        for table in ORDER:
            now = {row[1] for row in locked if row[0] == table}
            more = now - self._held[table]
            self._held[table] |= now
            if more:
                self.seen.append(table)
            skips = table in ("message", "told") and "SKIP LOCKED" in sql
            if (more or (keyed and table in keyed.groups())) and not skips and ORDER.index(table) < highest:
                self.problems.append(f"{table} after {ORDER[highest]}: {sql}")
            # Whoever waits for messages twice meets another one that has the later of them, and wants the earlier.
            if table == "message" and more and not skips and min(more) < max(self._held[table] - more, default=0):
                self.problems.append(f"{table} {min(more)} after a later one: {sql}")
            if len(more) > 1 and not skips and not _IN_ORDER.search(sql):
                self.problems.append(f"{len(more)} rows of {table} in any order: {sql}")


def _is_last(sql: str) -> bool:
    return any(re.search(rf"(UPDATE|INTO|FROM) {table}\b", sql) for table in _AT_THE_END)


@pytest.fixture
async def observer(open_store: Opener, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Observer]:
    """Watches every statement of the store."""
    session = await asyncpg.connect(url)
    watching, made, rows, run = Observer(session), PostgresTx.__init__, PostgresTx.rows, PostgresTx.run

    def begin(tx: PostgresTx, *args: Any) -> None:
        made(tx, *args)
        watching.begins()

    async def seen_rows(tx: PostgresTx, sql: str, *args: Any) -> Sequence[Row]:
        found = await rows(tx, sql, *args)
        await watching.after(sql)
        return found

    async def seen_run(tx: PostgresTx, sql: str, *args: Any) -> int:
        number = await run(tx, sql, *args)
        await watching.after(sql)
        return number

    monkeypatch.setattr(PostgresTx, "__init__", begin)
    monkeypatch.setattr(PostgresTx, "rows", seen_rows)
    monkeypatch.setattr(PostgresTx, "run", seen_run)
    yield watching
    await session.close()


async def test_every_verb_takes_its_locks_in_the_declared_order(open_store: Opener, observer: Observer) -> None:
    store = await open_store()
    verbs = await every_verb(store)
    observer.is_looking = True
    problems: dict[str, list[str]] = {}
    seen: dict[str, list[str]] = {}
    for name, verb in verbs:
        await verb()
        seen[name] = observer.seen
        if observer.problems:
            problems[name] = [*observer.problems]
            observer.problems.clear()
    assert problems == {}
    # It has looked: this is what these verbs lock. Lines of statistics that they insert are nobody's yet.
    assert seen["record"] == ["message", "told", "mailing_counters"]
    assert seen["receive"] == ["message", "mailing", "mailing_counters", "mailing_stat"]
    assert seen["record_accepted"] == ["message", "mailing_counters", "mailing_stat"]
    assert seen["delete_clients"] == ["client", "message", "mailing_counters"]
    assert seen["cancel_pending"] == ["mailing", "message", "mailing_counters", "mailing_stat"]
    assert seen["cancel"] == ["mailing", "told", "control"]
    assert seen["build_new"] == ["mailing", "mailing_breakdown", "control"]  # its last chunk is empty
    assert seen["read_breakdown"] == []  # a line that is new is nobody's yet
    assert seen["read_breakdown_again"] == ["mailing_breakdown"]


async def test_everything_at_once_has_no_deadlock(open_store: Opener) -> None:
    stores = [await open_store(), await open_store()]
    commotion = Commotion(stores)
    await commotion.run(3)
    assert await deadlocks(stores[0]) == 0
    assert await stores[0].check() == []
    assert len(commotion.changes_seconds) > 5
