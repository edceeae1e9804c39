"""Roles, names, passwords, and how guessing is slowed down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.access import (
    FREE_FAILURES,
    QUIET_SECONDS,
    Impossible,
    Role,
    SignInThrottle,
    TooManyTries,
    account_name_problem,
    check_fields,
    password_problem,
    role_of,
    token_name_problem,
)
from engine.domain.errors import InvalidInput


def test_each_role_may_do_what_the_one_before_it_may() -> None:
    allowed = {(role, required) for role in Role for required in Role if role.allows(required)}
    assert allowed == {(role, required) for role in Role for required in Role if role.value >= required.value}
    assert [role_of(number) for number in (0, 1, 2, 3, 4)] == [None, Role.VIEWER, Role.OPERATOR, Role.ADMIN, None]


@pytest.mark.parametrize("name", ["a", "a.b_c@d-e", "A" * 64, "007"])
def test_names_of_accounts(name: str) -> None:
    assert account_name_problem(name) is None


@pytest.mark.parametrize("name", ["", "a b", "ы", "A" * 65, "a\n", "a/b", "١"])
def test_what_is_no_name_of_an_account(name: str) -> None:
    assert account_name_problem(name)


@pytest.mark.parametrize(("name", "good"), [("ci: задание 1", True), ("", False), (" a", False), ("a\nb", False)])
def test_names_of_tokens(name: str, good: bool) -> None:
    assert (token_name_problem(name) is None) == good
    assert token_name_problem(name + "x" * 65)


@pytest.mark.parametrize(
    ("password", "good"),
    [("пароль:)", True), ("x" * 256, True), ("x" * 7, False), ("x" * 257, False), ("passwor\ud800", False)],
)
def test_passwords(password: str, good: bool) -> None:
    assert (password_problem(password) is None) == good


def waits(throttle: SignInThrottle, number: int, name: str = "anna", peer: str = "p") -> list[float]:
    """The waits of so many failures, each made as soon as it may."""
    now, found = 0.0, []
    for _ in range(number):
        wait = throttle.begin(name, peer, now)
        found.append(wait)
        if wait:
            now += wait
            assert throttle.begin(name, peer, now) == 0
    return found


def test_waits_grow_to_a_minute() -> None:
    assert waits(SignInThrottle(), 13) == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_counts_for_the_name_in_any_case_and_for_the_peer() -> None:
    throttle = SignInThrottle()
    waits(throttle, FREE_FAILURES)
    assert throttle.begin("ANNA", "elsewhere", 0) == 1
    assert throttle.begin("ben", "p", 0) == 1
    assert throttle.begin("ben", "elsewhere", 0) == 0


def test_a_success_frees_the_name_but_gives_the_peer_one_try_only() -> None:
    throttle = SignInThrottle()
    for number in range(FREE_FAILURES - 1):
        throttle.begin(f"victim{number}", "p", 0)
    assert throttle.begin("mine", "p", 0) == 0
    throttle.succeeded("mine", "p")
    assert throttle.begin("victim", "p", 0) == 0  # the try that was given back
    assert throttle.begin("mine", "p", 0) == 1


def test_a_try_that_came_to_no_answer_does_not_count() -> None:
    throttle = SignInThrottle()
    for _ in range(50):
        assert throttle.begin("anna", "p", 0) == 0
        throttle.undo("anna", "p")


def test_failures_are_forgotten_after_a_quiet_time() -> None:
    throttle = SignInThrottle()
    waits(throttle, FREE_FAILURES)
    assert throttle.begin("anna", "p", QUIET_SECONDS + 1) == 0
    assert throttle.begin("anna", "p", QUIET_SECONDS + 1) == 0


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=60))
def test_what_is_remembered_is_bounded(tries: list[tuple[str, str]]) -> None:
    throttle = SignInThrottle(capacity=10)
    for name, peer in tries:
        throttle.begin(name, peer, 0)
        assert len(throttle._tries) <= 10


# -- what the rest of the engine asks of the rules --------------------------------------------------


def test_roles_are_written_in_small_letters() -> None:
    assert [role.word for role in Role] == ["viewer", "operator", "admin"]


def test_errors_carry_what_the_caller_is_told() -> None:
    assert TooManyTries("wait", 4.0).wait_seconds == 4.0
    error = Impossible("the last admin's account", "LAST_ADMIN")
    assert (str(error), error.reason) == ("the last admin's account", "LAST_ADMIN")


def test_every_field_with_a_problem_is_named() -> None:
    check_fields(name=None, password=None)
    with pytest.raises(InvalidInput) as caught:
        check_fields(name="is bad", role=None, password="is short")
    assert [each.field for each in caught.value.errors] == ["name", "password"]


def test_taking_back_a_try_that_is_forgotten_changes_nothing() -> None:
    throttle = SignInThrottle()
    throttle.undo("anna", "192.0.2.1")
    assert throttle.begin("anna", "192.0.2.1", 0.0) == 0.0
