"""The wall clock steps while something waits. No wait gets a minute longer by it.

Retries and local hours are instants in the store, taken back with the clock: tests/delivery/test_clock_watch.py. Rates,
and whatever waits for another actor, follow the clock that only runs forward.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from engine.delivery.gate import Gate
from engine.delivery.on_way import CallsOnWay
from engine.delivery.supervisor import ActorHealth
from engine.domain.breaker import Breaker
from engine.domain.outcome import Outcome, Verdict
from engine.domain.pacing import TokenBucket
from tests.delivery.plans import HandClock

SECOND_US = 1_000_000
STEP_US = 7200 * SECOND_US


class SteppedClock(HandClock):
    """The wall clock is off by ``off_us``."""

    off_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.off_us


def a_gate(clock: SteppedClock, breaker: Breaker | None = None) -> Gate:
    return Gate(breaker or Breaker(), 0.0, Random(1), CallsOnWay(clock))


def held(clock: SteppedClock) -> Callable[[], bool]:
    """The provider has asked for 20 s of peace."""
    gate = a_gate(clock)
    gate.report(1, Outcome(Verdict.RETRY, 429, "HTTP 429", 20.0), clock.now_us())
    return lambda: gate.ready_us(clock.now_us()) == clock.now_us()


def broken(clock: SteppedClock) -> Callable[[], bool]:
    """The breaker waits for up to 20 s before its next probe."""
    gate = a_gate(clock, Breaker(failure_threshold=1, pause_base_seconds=20.0))
    gate.report(1, Outcome(Verdict.RETRY, 503, "HTTP 503", None), clock.now_us())
    return lambda: gate.ready_us(clock.now_us()) == clock.now_us()


def blocked(clock: SteppedClock) -> Callable[[], bool]:
    """The token was refused."""
    gate = a_gate(clock)
    gate.report(1, Outcome(Verdict.BLOCKED, 401, "HTTP 401", None), clock.now_us())
    return lambda: gate.ready_us(clock.now_us()) == clock.now_us()


def paced(clock: SteppedClock) -> Callable[[], bool]:
    """One call in 10 s, and one was made."""
    gate, bucket = a_gate(clock), TokenBucket(0.1)
    bucket.take(clock.monotonic_us())
    bucket.arrive(1, clock.monotonic_us())
    return lambda: not gate.wait_us(bucket)


def failed(clock: SteppedClock) -> Callable[[], bool]:
    """An actor has failed, and runs again."""
    actor = ActorHealth("ticker", running=True, restarts=1, failed_us=clock.now_us())
    return lambda: actor.is_well(clock.now_us())


@pytest.mark.parametrize("begin", [held, broken, blocked, paced, failed])
@pytest.mark.parametrize("step_us", [-STEP_US, STEP_US], ids=["back", "forward"])
def test_a_step_of_the_clock_makes_no_wait_a_minute_longer(
    begin: Callable[[SteppedClock], Callable[[], bool]], step_us: int
) -> None:
    clock = SteppedClock()
    is_over = begin(clock)
    clock.at_us += SECOND_US
    assert not is_over()
    clock.off_us = step_us
    waited = 0
    while not is_over():
        clock.at_us += SECOND_US
        waited += 1
    assert waited < 60


def test_a_rate_does_not_hear_of_a_step_forward() -> None:
    clock = SteppedClock()
    is_over = paced(clock)
    clock.off_us = STEP_US
    clock.at_us += 9 * SECOND_US
    assert not is_over()
