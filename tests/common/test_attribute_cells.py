from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import attribute_cells
from common.attribute_cells import (
    Value,
    cell_text,
    cell_value,
    is_attribute_name,
    plain_value,
    russian_value,
    table_value,
)
from engine.domain import attributes
from engine.domain.attributes import name_problem, value_text

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(10**15) + 1, 10**15 - 1) | st.decimals(-(10**9), 10**9, places=6).map(float)
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda each: not each.is_integer())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("120.5", 120.5),
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("5.0", 5),
        ("123456789012345", 123456789012345),
        ("true", True),
        ("false", False),
        *((text, text) for text in ("", "05", "+5", "1e5", "5.", ".5", "1 000", "1,5", "٣", "True", "Омск")),
        ("1234567890123456", "1234567890123456"),
        ("4111111111111111", "4111111111111111"),
        ("0.00000000000000000001", 1e-20),
        ("-0.000012345678901234568", -1.2345678901234568e-05),
        *(
            (text, text)
            for text in ("0.10000000000000000001", "0.000012345678901234567", "1.000000000000000000", f"0.{'0' * 400}1")
        ),
    ],
)
def test_what_a_plain_text_stands_for(text: str, value: Value) -> None:
    assert value_text(plain_value(text)) == value_text(value)


WRITTEN: dict[str, Value] = {
    "1500,50": 1500.5, "-0,5": -0.5, "0,125": 0.125, "1500,125": 1500.125, "1 200": 1200, "1 200,5": 1200.5,
    "1\xa0200\xa0300,75": 1200300.75, "-12\u202f500": -12500, "1 200.5": 1200.5, "120.5": 120.5, "5,0": 5,
    "ИСТИНА": True, "ЛОЖЬ": False, "TRUE": True, "FALSE": False, "true": True,
}  # fmt: skip
"""Cells as Excel writes them, and what they say in any table."""
TEXT_STILL = [
    "05,5", "0 200", "00,5", "+5,5", ",5", "5,", "1,2,3", "1.200,5", "1,200.5", "1,200,300", "1 20", "1 2000", "1  200",
    "1 200\xa0300", "1 200 ", "8 916 600 00 01", "79 161 234 567", "8 916 123 456", "1234 567", "12 345,", "1 e5",
    "1\t200", "Истина", "TRUE ", "1 234 567 890", "1234567890123456,0000", "", "١,٢", "1 200 р.",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), WRITTEN.items())
def test_what_table_programs_write(text: str, value: Value) -> None:
    for read in (russian_value, table_value):
        assert value_text(read(text)) == value_text(value)
    assert cell_value(text, numbers_as_text=True, read=russian_value) == text
    assert cell_value(f"'{text}", read=table_value) == text


@pytest.mark.parametrize("text", TEXT_STILL)
def test_what_may_be_another_thing_than_a_number_stays_a_text(text: str) -> None:
    assert (russian_value(text), table_value(text)) == (text, text)


def test_a_comma_before_three_digits_is_a_decimal_one_only_in_a_russian_table() -> None:
    assert (russian_value("1,200"), table_value("1,200")) == (1.2, "1,200")


@given(
    st.sampled_from([*WRITTEN, *TEXT_STILL, "1,200", "'1 200", "''ЛОЖЬ"])
    | st.from_regex(r"'?-?[0-9]{1,4}([ \xa0,.][0-9]{1,4}){0,3}", fullmatch=True)
)
def test_a_text_that_looks_like_a_number_of_a_table_is_read_back_as_a_text(text: str) -> None:
    for read in (plain_value, table_value, russian_value):
        assert cell_value(cell_text(text), read=read) == text


@given(
    TEXTS
    | st.sampled_from(["", "'", "''", "  ", "' \u200b", "'5", "5", "true", "'true", "-5", "'-5", "x'"])
    | NUMBERS
    | FRACTIONS
    | st.booleans()
)
def test_what_is_written_into_a_cell_is_read_back(value: Value) -> None:
    read = cell_value(cell_text(value))
    assert read is not None
    assert value_text(read) == value_text(value)


def test_cells_of_texts_only() -> None:
    assert [cell_value(cell, numbers_as_text=True) for cell in ("5", "true", "'5", "", "  ", "\u200b", "x")] == [
        "5",
        "true",
        "5",
        *[None] * 3,
        "x",
    ]


@given(st.sampled_from([*attributes.RESERVED, "city", "City", "a" * 32, "a" * 33, "1a", "a_1", ""]) | TEXTS)
def test_names_are_those_of_the_domain(name: str) -> None:
    assert attribute_cells.RESERVED == attributes.RESERVED
    assert is_attribute_name(name) is (name_problem(name) is None)
