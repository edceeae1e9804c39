"""No text makes an expression of a providers' file slow: what it takes grows with the text, and not faster."""

from __future__ import annotations

import time

import pytest

from engine.provider.patterns import Expression

HARD = [r"(a+)+$", r"(a|aa)+$", r"(.*a){12}$", r"a*a*a*a*b", r"(?:a?){30}a{30}b"]
"""Each holds Python's ``re`` up for longer than anybody lives, or at least for minutes."""


@pytest.mark.parametrize("expression", HARD)
def test_no_text_makes_one_slow(expression: str) -> None:
    hard, text = Expression(expression), "a" * 60_000 + "!"
    began = time.process_time()
    assert not hard.is_in(text)
    assert hard.part_of(text) == hard.all_of(text) == ""
    assert time.process_time() - began < 5  # it takes milliseconds


@pytest.mark.parametrize(
    ("expression", "text", "part", "whole"),
    [
        (r"ID: (\d+)", "OK ID: 12", "12", ""),
        (r"m-(\d+)", "m-7", "7", "7"),
        (r"\d{4}", "№ 1234 ъ", "1234", ""),
        (r"ID: (\d+)?", "ID: ", "", ""),
        (r"№ (\w+)", "заказ № 5\ud800", "5", ""),
    ],
)
def test_what_is_found(expression: str, text: str, part: str, whole: str) -> None:
    found = Expression(expression)
    assert (found.part_of(text), found.all_of(text)) == (part, whole)
    assert found.is_in(text)


@pytest.mark.parametrize("expression", ["(", "[", r"(a)\1", "(?=a)", "a{9999}", "((((a{30}){30}){30}){30})"])
def test_what_is_none_is_said_in_a_line(expression: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        Expression(expression)


def test_groups_are_counted() -> None:
    assert [Expression(each).groups for each in ("a", "(a)", "(?:a)(b)(c)")] == [0, 1, 2]
