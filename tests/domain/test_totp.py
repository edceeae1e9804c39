"""Which one-time codes are good, and whose accounts must have them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import HOTP

from engine.domain.access import Role
from engine.domain.totp import SKEW_STEPS, STEP_US, OneTimeCode, is_required, matching_step, read_code, uri_of

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""Of RFC 6238, appendix B: the ASCII text 12345678901234567890."""
STEP = 1_000_000


def code_of(step: int) -> str:
    return HOTP(SECRET).at(step)


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, eight_digits: str) -> None:
    code = eight_digits[-6:]  # RFC 4226, section 5.3: fewer digits are the last ones
    assert matching_step(SECRET, code, seconds * 1_000_000, 0) == seconds // 30


@pytest.mark.parametrize(
    ("of_step", "last_step", "is_good"),
    [
        (0, 0, True),
        (-1, 0, True),
        (1, 0, True),
        (-2, 0, False),
        (2, 0, False),
        (0, STEP - 1, True),  # the one before was taken
        (0, STEP, False),  # this one was
        (-1, STEP, False),  # a later one was
        (1, STEP, True),
        (1, STEP + 1, False),
    ],
)
@pytest.mark.parametrize("within_us", [0, STEP_US - 1])
def test_a_code_is_good_one_step_around_now_and_once(
    of_step: int, last_step: int, within_us: int, is_good: bool
) -> None:
    found = matching_step(SECRET, code_of(STEP + of_step), STEP * STEP_US + within_us, last_step)
    assert found == (STEP + of_step if is_good else None)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６"])
def test_what_is_no_code_is_not_good(code: str) -> None:
    assert matching_step(SECRET, code, STEP * STEP_US, 0) is None


def test_there_is_no_step_before_the_first() -> None:
    assert matching_step(SECRET, code_of(0), 0, -1) == 0


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), max_size=30))
def test_no_code_is_taken_twice_whatever_the_clock_does(tries: list[tuple[int, int]]) -> None:
    """(which step's code, how many steps the clock goes on)"""
    now, last, taken = STEP, 0, []
    for offset, pause in tries:
        now += pause
        step = matching_step(SECRET, code_of(now + offset), now * STEP_US, last)
        if step is not None:
            assert abs(step - now) <= SKEW_STEPS
            taken.append(step)
            last = step
    assert taken == sorted(set(taken))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("123456", OneTimeCode("123456", is_recovery=False)),
        (" 123 456\n", OneTimeCode("123456", is_recovery=False)),
        ("123-456", OneTimeCode("123456", is_recovery=False)),
        ("abcd-efgh-2345-ijkl", OneTimeCode("abcdefgh2345ijkl", is_recovery=True)),
        ("ABCD EFGH 2345 IJKL", OneTimeCode("abcdefgh2345ijkl", is_recovery=True)),
        ("2345672345672345", OneTimeCode("2345672345672345", is_recovery=True)),
        ("", None),
        ("12345", None),
        ("1234567", None),
        ("１２３４５６", None),
        ("٣٤٥٦٧٨", None),
        ("abcd-efgh-2345-ijk1", None),
        ("abcd-efgh-2345-ijklm", None),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, read: OneTimeCode | None) -> None:
    assert read_code(typed) == read


def test_an_app_reads_whose_secret_it_is() -> None:
    parts = urlsplit(uri_of(SECRET, "maria@shop"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Mailing%20Service:maria%40shop")
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["Mailing Service"]}


@pytest.mark.parametrize(
    ("required", "whose"),
    [("none", set()), ("admins", {Role.ADMIN}), ("all", {Role.VIEWER, Role.OPERATOR, Role.ADMIN})],
)
def test_whose_accounts_must_have_it(required: str, whose: set[Role]) -> None:
    people = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    assert {role for role in people if is_required(required, role, "")} == whose  # type: ignore[arg-type]
    assert not any(is_required(required, role, "https://id.example") for role in people)  # type: ignore[arg-type]
