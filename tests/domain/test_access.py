"""Roles, names and passwords."""

from __future__ import annotations

import pytest

from common.error_codes import ErrorCode
from engine.domain.access import (
    ActorKind,
    Impossible,
    NoOneTimeCode,
    Requirement,
    Role,
    TooManyCalls,
    TooManyTries,
    Unauthenticated,
    WrongOneTimeCode,
    account_name_problem,
    check_fields,
    password_problem,
    role_of,
    token_name_problem,
)
from engine.domain.errors import InvalidInput

WAIT = ErrorCode.TOO_MANY_TRIES.format()


RANKS = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def test_each_rank_may_do_what_the_one_before_it_may() -> None:
    allowed = {(role, least) for role in Role for least in RANKS if Requirement(least).allows(role)}
    assert allowed == {(role, least) for role in RANKS for least in RANKS if role.value >= least.value}
    assert [role_of(number) for number in (0, 1, 2, 3, 4, 5)] == [None, *RANKS, Role.PROVIDER, None]


def test_a_role_without_a_rank_may_do_what_names_it_and_nothing_else() -> None:
    assert [role for role in Role if not role.is_rank] == [Role.PROVIDER]
    named = Requirement(Role.ADMIN, also=Role.PROVIDER)
    assert {role for role in Role if named.allows(role)} == {Role.ADMIN, Role.PROVIDER}
    assert (named.words, Requirement(Role.OPERATOR).words) == ("provider or admin", "operator")


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


# -- what the rest of the engine asks of the rules --------------------------------------------------


def test_roles_are_written_in_small_letters() -> None:
    assert [role.word for role in Role] == ["viewer", "operator", "admin", "provider"]


def test_errors_carry_what_the_caller_is_told() -> None:
    assert TooManyTries(WAIT, 4.0).wait_seconds == 4.0
    error = Impossible(ErrorCode.LAST_ADMIN.format())
    assert (str(error), error.fault.code) == (ErrorCode.LAST_ADMIN, "LAST_ADMIN")


def test_every_field_with_a_problem_is_named() -> None:
    check_fields(name=None, password=None)
    with pytest.raises(InvalidInput) as caught:
        check_fields(name=WAIT, role=None, password=ErrorCode.EMPTY.format())
    assert [each.field for each in caught.value.errors] == ["name", "password"]


def test_kinds_of_actors_as_people_write_them() -> None:
    assert [kind.word for kind in ActorKind] == ["unknown", "account", "token", "command", "system", "nobody"]


def test_too_many_calls_say_when_to_come_back() -> None:
    assert TooManyCalls(WAIT).wait_seconds == 1
    assert TooManyCalls(WAIT, 3).wait_seconds == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [(NoOneTimeCode(), ErrorCode.ONE_TIME_CODE_REQUIRED), (WrongOneTimeCode(), ErrorCode.WRONG_ONE_TIME_CODE)],
)
def test_who_is_refused_for_a_code_is_told_so(error: Unauthenticated, code: ErrorCode) -> None:
    assert str(error) == code.format()
