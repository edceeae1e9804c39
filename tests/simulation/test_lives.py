"""A short campaign of simulated lives; the long one: ``scripts/simulate --lives 5000``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.campaign import live, make_template, silence

LIVES = 60


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "empty.db")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with silence():
        yield


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_life_keeps_the_invariant(seed: int, template: Path, tmp_path: Path) -> None:
    assert live(seed, tmp_path, template) == []
