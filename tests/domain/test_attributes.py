from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.shown import shows
from engine.domain.attributes import (
    ENTRIES_MAX,
    Attribute,
    attribute_errors,
    attributes_of,
    attributes_text,
    changed_names,
    good_text,
    names_of,
    patched,
    value_text,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
FIELDS = ("id", "phone_number", "phone_code", "tag", "time_zone")
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True).filter(lambda name: name not in FIELDS)
ATTRIBUTES = st.dictionaries(NAMES, TEXTS | NUMBERS | st.booleans())


def is_blank(value: Attribute) -> bool:
    return isinstance(value, str) and not shows(value)


def test_there_is_one_way_of_writing() -> None:
    assert attributes_text({"b": 5.0, "a": 'x"', "c": True}) == attributes_text({"c": True, "a": 'x"', "b": 5})
    assert attributes_text({"b": 5.0, "a": 'x"', "c": False}) == '{"a":"x\\"","b":5,"c":false}'
    assert [value_text(number) for number in (-0.0, 0.5, 1e20, 2**53 - 1)] == ["0", "0.5", "1e+20", "9007199254740991"]
    assert attributes_of("{}") == {}


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\xa0\u3000", "\u200b", "\u2800", "\u3164", "\ufeff \u00ad"])
def test_a_text_that_shows_nothing_is_an_empty_one_wherever_it_comes_from(blank: str) -> None:
    assert value_text(blank) == '""'
    assert good_text({"a": blank}) == attributes_text({"a": blank}) == patched("{}", {"a": blank}) == '{"a":""}'
    assert changed_names(attributes_text({"a": blank}), '{"a":""}') == []
    assert value_text(f"{blank}.") != '""'


@given(ATTRIBUTES)
def test_what_is_written_is_read_back(attributes: dict[str, Attribute]) -> None:
    text = attributes_text(attributes)
    assert attributes_of(text) == {name: "" if is_blank(value) else value for name, value in attributes.items()}
    assert attributes_text(attributes_of(text)) == text
    assert names_of(text) == sorted(attributes)


@given(ATTRIBUTES, st.sampled_from("abc"), TEXTS | NUMBERS | st.booleans())
def test_a_value_is_a_part_of_the_text_exactly_when_the_attribute_has_it(
    attributes: dict[str, Attribute], name: str, value: Attribute
) -> None:
    part, text = f'"{name}":{value_text(value)}', attributes_text(attributes)
    has_it = name in attributes and value_text(attributes[name]) == value_text(value)
    assert any(f"{part}{end}" in text for end in ",}") is has_it
    assert (f'"{name}":' in text) is (name in attributes)


NO_NAMES = ("City", "1a", "a-b", "", "город", "a\n", "a" * 33)
BAD: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"city": "Омск", "n": 1.5, "b": True, "e": ""}, []),
    ({"a" * 32: "x" * 500}, []),
    (dict.fromkeys(NO_NAMES, 1), [(name, "BAD_ATTRIBUTE_NAME") for name in NO_NAMES]),
    (dict.fromkeys(FIELDS, 1), [(name, "RESERVED_NAME") for name in FIELDS]),
    ({"a": "x" * 501, "b": "\0", "c": None}, [("a", "TOO_LONG"), ("b", "NULL_CHARACTER"), ("c", "NULL")]),
    ({"a": [], "b": {}, "c": float("nan"), "d": float("inf")}, [(name, "NOT_ATTRIBUTE") for name in "abcd"]),
]


@given(ATTRIBUTES.map(lambda each: dict(list(each.items())[:ENTRIES_MAX])))
def test_the_quick_way_writes_the_same(attributes: dict[str, Attribute]) -> None:
    assert good_text({**attributes, "gone": None}) == attributes_text(
        {k: v for k, v in attributes.items() if k != "gone"}
    )


@pytest.mark.parametrize(("attributes", "expected"), BAD)
def test_all_that_is_wrong_is_named(attributes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    if expected and "NULL" not in dict(expected).values():
        assert good_text(attributes) is None
    found = [(error.field, error.fault.code) for error in attribute_errors(attributes)]
    assert found == [(f"attributes.{name}", code) for name, code in expected]


def test_limits_of_number_and_removal() -> None:
    assert not list(attribute_errors({f"a{n}": n for n in range(ENTRIES_MAX)}))
    assert good_text({f"a{n}": n for n in range(ENTRIES_MAX + 1)}) is None
    (error,) = attribute_errors({f"a{n}": n for n in range(ENTRIES_MAX + 1)})
    assert (error.field, error.fault.code, error.fault.arguments) == (
        "attributes",
        "TOO_MANY_ENTRIES",
        {"max": "50", "count": "51"},
    )
    assert not list(attribute_errors({"a": None}, may_remove=True))
    assert [error.field for error in attribute_errors({"A": None}, may_remove=True)] == ["attributes.A"]


def test_a_change_removes_what_it_says_is_nothing() -> None:
    assert patched('{"a":1,"b":2}', {"b": None, "c": "x"}) == '{"a":1,"c":"x"}'
    assert patched("{}", {"b": None}) == "{}"
    assert changed_names('{"a":1,"b":1,"c":1}', '{"a":1,"b":true,"d":1}') == ["b", "c", "d"]
