"""Invariants: while not closed, one probe at a time and never before it is due; any success closes."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.domain.breaker import Breaker, BreakerState

SECOND_US = 1_000_000


def state_of(breaker: Breaker) -> BreakerState:
    """Ask anew: mypy believes that ``breaker.state`` stays what an assert has found."""
    return breaker.state


def opened(now_us: int = 0, threshold: int = 3) -> Breaker:
    breaker = Breaker(failure_threshold=threshold)
    for _ in range(threshold):
        breaker.fail(now_us, 0.0, probe=False)
    assert state_of(breaker) is BreakerState.OPEN
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(19):
        breaker.fail(0, 0.0, probe=False)
    assert state_of(breaker) is BreakerState.CLOSED
    assert breaker.ready_us(5) == 5
    assert breaker.start(5) is False
    breaker.succeed(probe=False)
    for _ in range(19):
        breaker.fail(0, 0.0, probe=False)
    assert state_of(breaker) is BreakerState.CLOSED
    breaker.fail(0, 0.0, probe=False)
    assert state_of(breaker) is BreakerState.OPEN


def test_failures_are_counted_until_a_success_whatever_the_state() -> None:
    breaker = Breaker(failure_threshold=3)
    counts = [breaker.failures]
    for _ in range(4):  # the fourth call had begun before it opened
        breaker.fail(0, 0.0, probe=False)
        counts.append(breaker.failures)
    assert breaker.start(SECOND_US)
    breaker.abandon(probe=True)  # tells nothing
    assert breaker.start(SECOND_US)
    breaker.fail(SECOND_US, 0.0, probe=True)
    counts.append(breaker.failures)
    for _ in range(2):
        breaker.block(SECOND_US, probe=False)
        counts.append(breaker.failures)
    breaker.succeed(probe=False)
    assert [*counts, breaker.failures] == [0, 1, 2, 3, 4, 5, 6, 7, 0]


def test_pauses_double_up_to_the_maximum() -> None:
    breaker, now_us, pauses = opened(), 0, []
    for _ in range(9):
        due_us = breaker.ready_us(now_us)
        assert due_us is not None
        pauses.append((due_us - now_us) / SECOND_US)
        now_us = due_us
        assert breaker.start(now_us) is True
        assert breaker.ready_us(now_us) is None
        breaker.fail(now_us, 0.0, probe=True)
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.25), (0.5, 0.375), (1.0, 0.5)])
def test_jitter_takes_up_to_half_of_the_pause_away(jitter: float, seconds: float) -> None:
    breaker = Breaker(failure_threshold=1)
    breaker.fail(0, jitter, probe=False)
    assert breaker.ready_us(0) == seconds * SECOND_US


def test_the_first_pause_is_no_longer_than_the_maximum() -> None:
    breaker = Breaker(failure_threshold=1, pause_base_seconds=9, pause_max_seconds=2)
    breaker.fail(0, 0.0, probe=False)
    assert breaker.ready_us(0) == SECOND_US


def test_after_closing_pauses_begin_anew() -> None:
    breaker = opened()
    breaker.start(SECOND_US)
    breaker.fail(SECOND_US, 0.0, probe=True)
    breaker.start(2 * SECOND_US)
    breaker.succeed(probe=True)
    assert state_of(breaker) is BreakerState.CLOSED
    for _ in range(3):
        breaker.fail(0, 0.0, probe=False)
    assert breaker.ready_us(0) == SECOND_US // 4


def test_no_call_may_start_before_the_probe_is_due_or_beside_it() -> None:
    breaker = opened()
    with pytest.raises(RuntimeError, match="open"):
        breaker.start(0)
    assert breaker.start(SECOND_US)
    with pytest.raises(RuntimeError, match="open"):
        breaker.start(SECOND_US)


def test_late_failures_of_calls_begun_before_are_ignored() -> None:
    breaker = opened()
    due_us = breaker.ready_us(0)
    for _ in range(50):
        breaker.fail(100_000, 0.9, probe=False)
    assert breaker.ready_us(0) == due_us


def test_a_late_success_closes_it_beside_the_probe() -> None:
    breaker = opened()
    assert breaker.start(SECOND_US)
    breaker.succeed(probe=False)
    assert state_of(breaker) is BreakerState.CLOSED
    assert breaker.ready_us(SECOND_US) == SECOND_US
    breaker.fail(SECOND_US, 0.0, probe=True)
    assert state_of(breaker) is BreakerState.CLOSED


def test_an_abandoned_probe_makes_way_for_another_at_once() -> None:
    breaker = opened()
    assert breaker.start(SECOND_US)
    breaker.abandon(probe=False)
    assert breaker.ready_us(SECOND_US) is None
    breaker.abandon(probe=True)
    assert breaker.ready_us(SECOND_US) == SECOND_US
    assert breaker.start(SECOND_US)


def test_a_refused_token_blocks_with_an_even_pause() -> None:
    breaker = Breaker()
    breaker.block(0, probe=False)
    assert state_of(breaker) is BreakerState.BLOCKED
    assert breaker.ready_us(0) == 30 * SECOND_US
    breaker.block(10 * SECOND_US, probe=False)  # a call begun before: no news
    assert breaker.ready_us(10 * SECOND_US) == 30 * SECOND_US
    assert breaker.start(30 * SECOND_US)
    breaker.block(31 * SECOND_US, probe=True)
    assert breaker.ready_us(31 * SECOND_US) == 61 * SECOND_US


def test_a_blocked_provider_that_fails_stays_blocked_until_a_success() -> None:
    breaker = Breaker(failure_threshold=1)
    breaker.block(0, probe=False)
    breaker.fail(0, 0.0, probe=False)
    assert breaker.start(30 * SECOND_US)
    breaker.fail(31 * SECOND_US, 0.0, probe=True)
    assert state_of(breaker) is BreakerState.BLOCKED
    assert breaker.ready_us(31 * SECOND_US) == 61 * SECOND_US
    assert breaker.start(61 * SECOND_US)
    breaker.succeed(probe=True)
    assert state_of(breaker) is BreakerState.CLOSED


def test_a_late_refusal_blocks_an_open_breaker_and_its_probe_goes_on() -> None:
    breaker = opened()
    assert breaker.start(SECOND_US)
    breaker.block(SECOND_US, probe=False)
    assert state_of(breaker) is BreakerState.BLOCKED
    assert breaker.ready_us(SECOND_US) is None
    breaker.fail(2 * SECOND_US, 0.0, probe=True)
    assert breaker.ready_us(2 * SECOND_US) == 32 * SECOND_US


def test_a_clock_that_steps_back_makes_no_pause_longer() -> None:
    breaker = opened(now_us=3600 * SECOND_US)
    assert breaker.ready_us(0) == SECOND_US // 2
    assert breaker.ready_us(SECOND_US // 2) == SECOND_US // 2


def test_one_forbidden_message_is_its_own_trouble_several_in_a_row_are_the_tokens() -> None:
    breaker = Breaker(failure_threshold=2)
    for _ in range(5):
        breaker.forbid(7, 0, probe=False)  # the same one, tried again
        breaker.forbid(8, 0, probe=False)
    assert (state_of(breaker), breaker.failures, breaker.is_quiet) == (BreakerState.CLOSED, 0, False)
    breaker.succeed(probe=False)
    assert breaker.is_quiet
    breaker.forbid(9, 0, probe=False)
    breaker.forbid(7, 0, probe=False)
    assert state_of(breaker) is BreakerState.CLOSED
    breaker.forbid(8, 0, probe=False)
    assert state_of(breaker) is BreakerState.BLOCKED


def test_a_blocked_provider_that_forbids_its_probe_stays_blocked() -> None:
    breaker = Breaker(blocked_pause_seconds=30)
    breaker.block(0, probe=False)
    assert breaker.start(30 * SECOND_US)
    breaker.forbid(1, 30 * SECOND_US, probe=True)
    assert state_of(breaker) is BreakerState.BLOCKED
    assert breaker.ready_us(30 * SECOND_US) == 60 * SECOND_US


def test_an_outage_ends_with_any_answer_of_a_living_provider() -> None:
    breaker = opened()
    assert breaker.start(SECOND_US)
    breaker.forbid(1, SECOND_US, probe=True)
    assert state_of(breaker) is BreakerState.CLOSED


@pytest.mark.parametrize("is_open", [False, True])
def test_whoever_asks_to_be_left_alone_is_whatever_else_is_heard(is_open: bool) -> None:
    breaker = opened() if is_open else Breaker()
    breaker.hold(0, 30.0)
    breaker.hold(0, 5.0)  # a shorter wish of another call does not shorten it
    breaker.succeed(probe=False)
    assert breaker.ready_us(0) == breaker.held_until_us(0) == 30 * SECOND_US
    with pytest.raises(RuntimeError):
        breaker.start(29 * SECOND_US)
    assert breaker.ready_us(30 * SECOND_US) == 30 * SECOND_US
    assert breaker.held_until_us(30 * SECOND_US) == 0


def test_a_time_that_was_read_earlier_does_not_shorten_a_hold() -> None:
    breaker = Breaker()
    breaker.hold(100 * SECOND_US, 20)
    assert breaker.held_until_us(80 * SECOND_US) == breaker.held_until_us(100 * SECOND_US) == 120 * SECOND_US
    assert breaker.held_until_us(10 * SECOND_US) == 30 * SECOND_US  # but a clock that stepped back must not prolong it


def test_nobody_is_left_alone_for_more_than_five_minutes_also_when_the_clock_steps_back() -> None:
    breaker = Breaker()
    breaker.hold(7200 * SECOND_US, 86_400.0)
    assert breaker.ready_us(7200 * SECOND_US) == 7500 * SECOND_US
    assert breaker.ready_us(0) == 300 * SECOND_US


def test_a_probe_waits_for_the_time_asked_for_too() -> None:
    breaker = opened()
    breaker.hold(0, 60.0)
    assert breaker.ready_us(0) == 60 * SECOND_US


THRESHOLD = 3
PAUSE_MAX_US = 4 * SECOND_US


class Provider(RuleBasedStateMachine):
    """Calls that start and end in any order, against what docs/behaviour.md, rule 7 promises."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(THRESHOLD, 0.5, PAUSE_MAX_US / SECOND_US, 3.0)
        self.now_us = 0
        self.in_flight: list[bool] = []
        """Calls that were let through, each with its flag."""
        self.in_a_row = 0
        """While closed."""
        self.failures = 0

    @initialize(calls=st.integers(1, 8))
    def calls_are_under_way(self, calls: int) -> None:
        self.in_flight = [self.breaker.start(self.now_us) for _ in range(calls)]
        assert not any(self.in_flight)

    @rule(us=st.integers(0, 5 * SECOND_US))
    def time_passes(self, us: int) -> None:
        self.now_us += us

    @rule()
    def someone_wants_to_call(self) -> None:
        closed = self.breaker.state is BreakerState.CLOSED
        if self.breaker.ready_us(self.now_us) != self.now_us:
            with pytest.raises(RuntimeError):
                self.breaker.start(self.now_us)
            return
        assert closed or True not in self.in_flight
        probe = self.breaker.start(self.now_us)
        assert probe is not closed
        self.in_flight.append(probe)

    def end(self, data: st.DataObject) -> bool:
        return self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))

    def news(self, probe: bool) -> bool:
        return probe or self.breaker.state is BreakerState.CLOSED

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def a_call_succeeds(self, data: st.DataObject) -> None:
        self.breaker.succeed(self.end(data))
        assert self.breaker.state is BreakerState.CLOSED
        assert self.breaker.ready_us(self.now_us) == self.now_us
        self.in_a_row = self.failures = 0
        self.in_flight = [False for _ in self.in_flight]  # what is left is an ordinary call now

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), jitter=st.floats(0, 1, exclude_max=True))
    def a_call_fails(self, data: st.DataObject, jitter: float) -> None:
        probe, before = self.end(data), self.breaker.state
        due_before, news = self.breaker.ready_us(self.now_us), self.news(probe)
        self.breaker.fail(self.now_us, jitter, probe)
        self.failures += 1
        if before is BreakerState.CLOSED:
            self.in_a_row += 1
            opens = self.in_a_row >= THRESHOLD
            assert self.breaker.state is (BreakerState.OPEN if opens else BreakerState.CLOSED)
        else:
            assert self.breaker.state is before
        if not news:
            assert self.breaker.ready_us(self.now_us) == due_before
        elif self.breaker.state is not BreakerState.CLOSED:
            due_us = self.breaker.ready_us(self.now_us)
            assert due_us is not None
            assert SECOND_US // 4 <= due_us - self.now_us <= PAUSE_MAX_US

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def a_call_is_refused(self, data: st.DataObject) -> None:
        self.breaker.block(self.now_us, self.end(data))
        assert self.breaker.state is BreakerState.BLOCKED
        self.in_a_row = 0
        self.failures += 1

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def a_call_is_cut_short(self, data: st.DataObject) -> None:
        before = self.breaker.state
        self.breaker.abandon(self.end(data))
        assert self.breaker.state is before

    @invariant()
    def one_probe_at_a_time_and_it_is_waited_for(self) -> None:
        probes = sum(self.in_flight)
        assert probes <= 1
        assert (self.breaker.ready_us(self.now_us) is None) == (probes == 1)

    @invariant()
    def failures_since_the_last_success_are_told(self) -> None:
        assert self.breaker.failures == self.failures

    @invariant()
    def whoever_waits_gets_a_turn(self) -> None:
        ready_us = self.breaker.ready_us(self.now_us)
        assert ready_us is None or 0 <= ready_us - self.now_us <= PAUSE_MAX_US


TestProvider = Provider.TestCase
TestProvider.settings = settings(stateful_step_count=30)


def test_a_time_that_was_read_earlier_does_not_shorten_a_pause() -> None:
    breaker = Breaker(failure_threshold=1, pause_base_seconds=0.5)
    breaker.fail(100 * SECOND_US, 1.0, False)
    due_us = breaker.ready_us(100 * SECOND_US)
    assert due_us == 100 * SECOND_US + 500_000
    assert breaker.ready_us(99 * SECOND_US) == breaker.ready_us(100 * SECOND_US) == due_us
    assert breaker.ready_us(10 * SECOND_US) == 10 * SECOND_US + 500_000
