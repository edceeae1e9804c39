from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.phone import default_code, digits_of, normalise


@pytest.mark.parametrize(
    "text",
    [
        *("+7 (916) 123-45-67", "+79161234567", "79161234567", "7 916 123 45 67", "8 (916) 123-45-67", "89161234567"),
        *("9161234567", "916.123.45.67", " +7\u00a0916\u00a01234567 "),
    ],
)
def test_the_ways_people_write_a_number(text: str) -> None:
    assert normalise(text) == 79161234567


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("+", "empty"),
        (" - ", "empty"),
        ("916123456x", "only digits"),
        ("7916123456٧", "only digits"),
        ("7+9161234567", "only digits"),
        ("++79161234567", "only digits"),
        ("8916123456", "11 digits, 7XXXXXXXXXX, not 10"),
        ("7916123456", "11 digits, 7XXXXXXXXXX, not 10"),
        ("916123456", "not 9"),
        ("791612345678", "not 12"),
        ("+89161234567", "country code 7"),
        ("+9161234567", "country code 7"),
        ("+14155552671", "country code 7"),
        ("19161234567", r"begin with 7 \(or 8\)"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalise(text)


@given(st.integers(70_000_000_000, 79_999_999_999))
def test_a_number_as_shown_is_read_back(phone: int) -> None:
    assert normalise(str(phone)) == normalise(f"+{phone}") == normalise("8" + str(phone)[1:]) == phone


@given(st.text(max_size=20) | st.text("+78 0123456789()-", max_size=20))
def test_any_text_is_a_stored_number_or_refused(text: str) -> None:
    try:
        phone = normalise(text)
    except ValueError:
        return
    assert 70_000_000_000 <= phone <= 79_999_999_999


def test_a_refusal_does_not_repeat_the_number() -> None:
    with pytest.raises(ValueError, match="11 digits") as caught:
        normalise("8916123456")
    assert "916" not in str(caught.value)


def test_code() -> None:
    assert default_code(79161234567) == "916"


@pytest.mark.parametrize(
    ("text", "digits"),
    [("123", "123"), ("+7 (916) 12", "791612"), ("8 916 123-45-67", "79161234567"), ("89161234", "89161234")],
)
def test_a_part_of_a_number_is_its_digits(text: str, digits: str) -> None:
    assert digits_of(text) == digits


@pytest.mark.parametrize(("text", "length"), [("", 0), ("no digits", 0), ("1-2", 2), ("1" * 12, 12), ("١٢٣", 0)])
def test_too_few_digits_or_too_many_are_no_part_of_a_number(text: str, length: int) -> None:
    with pytest.raises(ValueError, match=f"^must have 3 to 11 digits, not {length}$"):
        digits_of(text)
