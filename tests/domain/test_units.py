"""engine/domain/units.py: seconds of settings, microseconds of the engine."""

from __future__ import annotations

import pytest

from engine.domain.units import US_PER_SECOND, in_us


@pytest.mark.parametrize(
    ("seconds", "us"), [(0, 0), (1, US_PER_SECOND), (0.5, 500_000), (2.0000009, 2_000_000), (3600, 3_600_000_000)]
)
def test_seconds_become_whole_microseconds(seconds: float, us: int) -> None:
    assert in_us(seconds) == us
