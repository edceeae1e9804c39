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
_GENERIC: Final = "force_generic_plan"
_LISTS: Final = ("Function Scan", "CTE Scan")
_TINY: Final = ("control", "engine")
"""One row, and one for each engine of the last day."""
_Plan = dict[str, Any]


class Planner:
    """Asks, after each statement of the store, for the plan that serves all its executions."""

    def __init__(self) -> None:
        self.is_looking = False
        self.problems: dict[str, str] = {}
        self.planned: dict[str, bool] = {}
        """Statements, and whether delivery ran them."""

    async def after(self, tx: PostgresTx, sql: str) -> None:
        """Judge the statement that has just run."""
        if not self.is_looking or not sql.startswith(_PLANNED) or sql in self.planned:
            return
        session = tx._connection._connection
        mode = await session.fetchval("SHOW plan_cache_mode")
        self.planned[sql] = mode == _GENERIC
        await session.execute(f"SET LOCAL plan_cache_mode = {_GENERIC}; PREPARE looked_at AS {POSTGRES.sql(sql)}")
        nothing = ", ".join(["NULL"] * sql.count("?"))
        plan = await session.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at{f'({nothing})' if nothing else ''}")
        await session.execute(f"DEALLOCATE looked_at; SET LOCAL plan_cache_mode = {mode}")
        nodes = list(_nodes(json.loads(plan)[0]["Plan"]))
        found = [*_compared(nodes), *(_walked(nodes) if mode == _GENERIC else ())]
        if found:
            self.problems[sql] = ", ".join(found)


def _nodes(plan: _Plan) -> Iterator[_Plan]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _compared(nodes: Sequence[_Plan]) -> Iterator[str]:
    """Lists that are read once for each row of something else."""
    for node in nodes:
        for inner in node.get("Plans", ()) if node["Node Type"] == "Nested Loop" else ():
            if inner["Parent Relationship"] == "Inner":
                yield from (
                    f"{each['Node Type']} for each row" for each in _nodes(inner) if each["Node Type"] in _LISTS
                )


def _walked(nodes: Sequence[_Plan]) -> Iterator[str]:
    """What reads the whole of a table."""
    for node in nodes:
        if node["Node Type"] in ("Seq Scan", "Hash Join", "Merge Join") and node.get("Relation Name") not in _TINY:
            yield f"{node['Node Type']} {node.get('Relation Name', '')}"


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


async def test_no_statement_compares_a_list_with_a_list_and_none_of_delivery_reads_a_table(
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
    looked_at = planner.planned.values()
    assert sum(looked_at) > 30  # it has looked
    assert len(looked_at) > 2 * sum(looked_at)
