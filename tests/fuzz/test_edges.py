"""The kept inputs, and a few new ones for each edge; the long campaign is ``scripts/fuzz``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.corpus import kept
from tests.fuzz.edges import EDGES, Edge

_KEPT = [pytest.param(edge, data, id=f"{edge.name}-{name}") for edge in EDGES for name, data in kept(edge.name).items()]


@pytest.mark.parametrize(("edge", "data"), _KEPT)
def test_a_kept_input(edge: Edge, data: bytes) -> None:
    edge.check(data)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_new_inputs(edge: Edge) -> None:
    @settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(edge.inputs)
    def check(data: bytes) -> None:
        edge.check(data)

    check()
