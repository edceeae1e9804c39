"""A short campaign of simulated lives; the long one: ``scripts/simulate --lives 5000``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.campaign import live, silence

LIVES = 60


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with silence():
        yield


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_life_keeps_the_invariant(seed: int) -> None:
    assert live(seed) == []
