from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import attribute_cells
from common.attribute_cells import Value, cell_text, cell_value, is_attribute_name, plain_value
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
