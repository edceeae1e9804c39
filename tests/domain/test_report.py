"""engine/domain/report.py: what several mailings did together."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.report import Done

NUMBERS = st.integers(0, 10**9)
DONE = st.builds(Done, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@given(DONE, DONE)
def test_what_two_did_is_added_number_by_number(one: Done, two: Done) -> None:
    assert astuple(one + two) == tuple(map(sum, zip(astuple(one), astuple(two), strict=True)))
    assert one + Done() == one
