"""A short campaign of simulated lives; the long one: ``scripts/simulate --lives 5000``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.store.store import Store
from tests.simulation.life import Life
from tests.simulation.verdict import Verdict

LIVES = 60


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database: making it once is cheaper than once a life."""
    path = tmp_path_factory.mktemp("template") / "empty.db"

    async def make() -> None:
        store = await Store.open(f"sqlite://{path}", inline=True)
        await store.close()

    asyncio.run(make())
    return path


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_life_keeps_the_invariant(seed: int, template: Path, tmp_path: Path) -> None:
    life = Life(seed, tmp_path, template)
    life.run()
    assert Verdict(life).faults() == []
