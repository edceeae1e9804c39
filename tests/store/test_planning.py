"""Delivery finds rows by their keys, whatever the planner believes (``engine/store/planning.py``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg
import pytest

from engine.store.database import Row
from engine.store.dialect import POSTGRES
from engine.store.postgres import PostgresTx
from tests.store.conftest import Opener
from tests.store.verbs_in_turn import every_verb

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgres"], indirect=True)]

_PLANNED: Final = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
_LISTS: Final = ("Function Scan", "CTE Scan")
_Plan = dict[str, Any]


class Planner:
    """Asks, after each statement of delivery, for the plan that serves all its executions."""

    def __init__(self) -> None:
        self.is_looking = False
        self.problems: dict[str, str] = {}
        self.planned: set[str] = set()

    async def after(self, tx: PostgresTx, sql: str) -> None:
        """Judge the statement that has just run."""
        if not self.is_looking or not sql.startswith(_PLANNED) or sql in self.planned:
            return
        session = tx._connection._connection
        if await session.fetchval("SHOW plan_cache_mode") != "force_generic_plan":
            return
        self.planned.add(sql)
        await session.execute(f"PREPARE looked_at AS {POSTGRES.sql(sql)}")
        nothing = ", ".join(["NULL"] * sql.count("?"))
        plan = await session.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at{f'({nothing})' if nothing else ''}")
        await session.execute("DEALLOCATE looked_at")
        if problem := ", ".join(_not_by_keys(json.loads(plan)[0]["Plan"])):
            self.problems[sql] = problem


def _not_by_keys(plan: _Plan) -> Iterator[str]:
    """What takes more time with each row of another list or of a table."""
    is_one_row = plan.get("Relation Name") == "control"
    if plan["Node Type"] in ("Seq Scan", "Hash Join", "Merge Join") and not is_one_row:
        yield f"{plan['Node Type']} {plan.get('Relation Name', '')}"
    inner = [each for each in plan.get("Plans", ()) if each["Parent Relationship"] == "Inner"]
    if plan["Node Type"] == "Nested Loop":
        yield from (f"{each} for each row" for plan in inner for each in _lists(plan))
    for each in plan.get("Plans", ()):
        yield from _not_by_keys(each)


def _lists(plan: _Plan) -> Iterator[str]:
    if plan["Node Type"] in _LISTS:
        yield plan["Node Type"]
    for each in plan.get("Plans", ()):
        yield from _lists(each)


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Sees every statement of the store."""
    watching, rows, run = Planner(), PostgresTx.rows, PostgresTx.run

    async def seen_rows(tx: PostgresTx, sql: str, *args: Any) -> Sequence[Row]:
        found = await rows(tx, sql, *args)
        await watching.after(tx, sql)
        return found

    async def seen_run(tx: PostgresTx, sql: str, *args: Any) -> int:
        number = await run(tx, sql, *args)
        await watching.after(tx, sql)
        return number

    monkeypatch.setattr(PostgresTx, "rows", seen_rows)
    monkeypatch.setattr(PostgresTx, "run", seen_run)
    return watching


async def test_no_statement_of_delivery_compares_a_list_with_a_list_or_reads_a_table(
    open_store: Opener, planner: Planner, url: str
) -> None:
    store = await open_store()
    verbs = await every_verb(store)
    session = await asyncpg.connect(url)
    await session.execute("UPDATE pg_class SET relpages = 1, reltuples = 1000000 WHERE relkind = 'r'")
    await session.close()
    planner.is_looking = True
    for _, verb in verbs:
        await verb()
    assert planner.problems == {}
    assert len(planner.planned) > 30  # it has looked
