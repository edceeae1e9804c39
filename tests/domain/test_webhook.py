"""A webhook's deliveries are tried for three days, after pauses that grow."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.domain.units import in_us
from engine.domain.webhook import TRIED_SECONDS, DeliveryState, next_try_us

HOUR_US = in_us(3600)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_pauses_grow_to_an_hour_and_end_after_three_days(jitter: float) -> None:
    times, now_us, attempt = [0], 0, 1
    while (due_us := next_try_us(now_us, attempt, jitter, 0)) is not None:
        times.append(due_us)
        now_us, attempt = due_us, attempt + 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    growing = pauses[:10]
    assert all(later > earlier for earlier, later in pairwise(growing))
    assert in_us(2.5) <= pauses[0] <= in_us(5)
    assert HOUR_US // 2 <= max(pauses) <= HOUR_US
    assert in_us(TRIED_SECONDS) - HOUR_US <= times[-1] <= in_us(TRIED_SECONDS)


def test_no_two_are_in_step() -> None:
    assert len({next_try_us(0, 5, jitter / 10, 0) for jitter in range(10)}) == 10


def test_states_as_people_see_them() -> None:
    assert [state.public for state in DeliveryState] == ["pending", "pending", "delivered", "given_up"]
