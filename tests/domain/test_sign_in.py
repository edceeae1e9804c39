"""How guessing is slowed down, and that nobody can lock out somebody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.networks import network_of
from engine.domain.sign_in import (
    FIRST_TRIES,
    FIRST_TRY_SECONDS,
    FREE_FAILURES,
    NAME_TRIES,
    NAME_TRY_SECONDS,
    NETWORK_FAILURES,
    QUIET_SECONDS,
    SignInThrottle,
)

HOME = "192.0.2.0/24"
NAMES, OTHERS = ("admin", "Anna", "ben"), tuple(f"198.51.{n}.0/24" for n in range(6))


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unix", "unix"),
        ("x" * 100, "x" * 64),
    ],
)
def test_addresses_of_one_customer_are_one_network(host: str, network: str) -> None:
    assert network_of(host) == network


def waits(throttle: SignInThrottle, number: int, name: str = "anna", network: str = HOME) -> list[float]:
    """The waits of so many failures, each made as soon as it may."""
    now, found = 0.0, []
    for _ in range(number):
        wait = throttle.begin(name, network, now)
        found.append(wait)
        if wait:
            now += wait
            assert throttle.begin(name, network, now) == 0
    return found


def test_waits_grow_to_a_minute() -> None:
    assert waits(SignInThrottle(), 13) == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_is_that_of_a_name_in_any_case_in_one_network() -> None:
    throttle = SignInThrottle()
    waits(throttle, FREE_FAILURES)
    assert throttle.begin("ANNA", HOME, 0) == 1
    assert throttle.begin("anna", OTHERS[0], 0) == 0
    assert throttle.begin("ben", HOME, 0) == 0


def test_guesses_from_forty_addresses_do_not_delay_the_owner() -> None:
    throttle = SignInThrottle()
    for number in range(40):
        for _ in range(14):
            throttle.begin("admin", network_of(f"10.{number}.7.1"), 0.0)
    assert throttle.begin("admin", HOME, 0.0, known=True) == 0


tries = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from((HOME, *OTHERS)), st.booleans(), st.floats(0, 30)), max_size=150
)


@given(tries, st.integers(0, 3))
def test_nothing_that_others_try_makes_a_known_network_wait(
    attempts: list[tuple[str, str, bool, float]], own_failures: int
) -> None:
    """Others: in any other network with any name, and in the same network with any other name."""
    throttle, now = SignInThrottle(), 0.0
    for name, network, known, seconds in attempts:
        if (name, network) == ("Anna", HOME):
            continue
        now += seconds
        throttle.begin(name, network, now, known=known)
    for _ in range(own_failures + 1):
        assert throttle.begin("anna", HOME, now, known=True) == 0


@given(tries)
def test_a_try_that_must_wait_may_be_made_then(attempts: list[tuple[str, str, bool, float]]) -> None:
    throttle, now = SignInThrottle(), 0.0
    for name, network, known, seconds in attempts:
        now += seconds
        wait = throttle.begin(name, network, now, known=known)
        if wait:
            assert throttle.begin(name, network, now + wait, known=known) == 0
            now += wait


def guesses(throttle: SignInThrottle, seconds: int, networks: Callable[[int], str]) -> int:
    """How many guesses at one name get through in so many seconds, with one tried each second."""
    return sum(throttle.begin("admin", networks(second), float(second)) == 0 for second in range(seconds))


def test_many_networks_together_guess_at_a_limited_speed() -> None:
    hour = 3600
    few = guesses(SignInThrottle(), hour, lambda second: f"n{second % 50}")
    assert few <= NAME_TRIES + hour / NAME_TRY_SECONDS + 50 + hour / QUIET_SECONDS * 50
    fresh = guesses(SignInThrottle(), hour, lambda second: f"n{second}")
    assert fresh <= NAME_TRIES + hour / NAME_TRY_SECONDS + FIRST_TRIES + hour / FIRST_TRY_SECONDS + 1


def test_a_part_is_kept_for_networks_that_have_not_tried_yet() -> None:
    throttle = SignInThrottle()
    for number in range(10):
        for _ in range(FREE_FAILURES):
            throttle.begin("admin", f"n{number}", 0.0)
    assert throttle.begin("admin", "n0", 10.0) > 0
    assert throttle.begin("admin", HOME, 10.0) == 0


def test_one_network_may_not_try_one_name_after_the_other() -> None:
    throttle = SignInThrottle()
    found = [throttle.begin(f"name{number}", "n", 0.0) for number in range(NETWORK_FAILURES + 1)]
    assert found == [0.0] * NETWORK_FAILURES + [1.0]


def test_a_success_frees_the_pair_but_gives_the_network_one_try_only() -> None:
    throttle = SignInThrottle()
    for number in range(NETWORK_FAILURES - 1):
        throttle.begin(f"victim{number}", "n", 0)
    assert throttle.begin("mine", "n", 0) == 0
    throttle.succeeded("mine", "n")
    assert throttle.begin("victim", "n", 0) == 0  # the try that was given back
    assert throttle.begin("mine", "n", 0) == 1


def test_a_success_where_one_is_known_starts_anew() -> None:
    throttle = SignInThrottle()
    for _ in range(FREE_FAILURES):
        throttle.begin("anna", HOME, 0, known=True)
    assert throttle.begin("anna", HOME, 0, known=True) == 1
    throttle.begin("anna", HOME, 1, known=True)
    throttle.succeeded("anna", HOME, known=True)
    assert throttle.begin("anna", HOME, 1, known=True) == 0


@pytest.mark.parametrize("known", [False, True])
def test_a_try_that_came_to_no_answer_does_not_count(known: bool) -> None:
    throttle = SignInThrottle()
    for _ in range(100):
        assert throttle.begin("anna", "n", 0, known=known) == 0
        throttle.undo("anna", "n", known=known)


def test_taking_back_a_try_that_is_forgotten_changes_nothing() -> None:
    throttle = SignInThrottle()
    throttle.undo("anna", HOME)
    assert throttle.begin("anna", HOME, 0.0) == 0.0


def test_failures_are_forgotten_after_a_quiet_time() -> None:
    throttle = SignInThrottle()
    waits(throttle, FREE_FAILURES)
    assert throttle.begin("anna", HOME, QUIET_SECONDS + 1) == 0
    assert throttle.begin("anna", HOME, QUIET_SECONDS + 1) == 0


@example([(f"n{number}", f"network {number}") for number in range(11)])
@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=60))
def test_what_is_remembered_is_bounded_and_strangers_do_not_push_out_the_known(attempts: list[tuple[str, str]]) -> None:
    throttle = SignInThrottle(capacity=10)
    for _ in range(FREE_FAILURES):
        throttle.begin("admin", HOME, 0, known=True)
    for name, network in attempts:
        throttle.begin(name, network, 0)
        assert all(len(each) <= 10 for each in (throttle._pairs, throttle._networks, throttle._names))
    assert throttle.begin("admin", HOME, 0, known=True) == 1
