"""Chunks of background work grow while they are quick, and are short again when they are not."""

from __future__ import annotations

import pytest

from engine.domain.chunks import LONGEST, SHORTEST, next_chunk


@pytest.mark.parametrize(
    ("clients", "took_us", "follows"),
    [
        (5_000, 1_000, 10_000),  # twice as many at most
        (5_000, 0, 10_000),  # a clock that stands still
        (15_000, 1_000, LONGEST),
        (10_000, 40_000, 12_500),
        (10_000, 50_000, 10_000),
        (20_000, 100_000, 10_000),
        (20_000, 4_000_000, SHORTEST),
    ],
)
def test_a_chunk_takes_as_long_as_others_may_wait(clients: int, took_us: int, follows: int) -> None:
    assert next_chunk(clients, took_us) == follows
