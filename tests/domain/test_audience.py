from __future__ import annotations

from typing import Any

import pytest

from engine.domain.attributes import attributes_of, value_text
from engine.domain.audience import (
    AttributeCondition,
    AttributeOp,
    Audience,
    AudienceFilter,
    Candidate,
    MessageCondition,
)


@pytest.mark.parametrize(
    ("tags", "codes", "tag", "code", "expected"),
    [
        ((), (), "new", "916", True),
        ((), (), "", "916", True),
        (("new",), (), "new", "916", True),
        (("new", "vip"), (), "vip", "916", True),
        (("new",), (), "old", "916", False),
        (("",), (), "", "916", True),
        (("",), (), "new", "916", False),
        ((), ("916",), "new", "916", True),
        ((), ("916",), "new", "917", False),
        (("new",), ("916",), "new", "916", True),
        (("new",), ("916",), "new", "917", False),
        (("new",), ("916",), "old", "916", False),
    ],
)
def test_a_client_must_be_in_both_lists_and_an_empty_one_does_not_restrict(
    tags: tuple[str, ...], codes: tuple[str, ...], tag: str, code: str, expected: bool
) -> None:
    assert any(AudienceFilter(tags, codes).among([Candidate(1, tag, code)])) is expected


def test_nobody_with_an_excluded_tag_and_only_those_who_are_named() -> None:
    filter = AudienceFilter(exclude_tags=("staff",), client_ids=(1, 2))
    people = [Candidate(1, "new", "916"), Candidate(2, "staff", "916"), Candidate(3, "new", "916")]
    assert [each.id for each in filter.among(people)] == [1]


SET, UNSET, LEAST, MOST = AttributeOp.IS_SET, AttributeOp.IS_NOT_SET, AttributeOp.AT_LEAST, AttributeOp.AT_MOST
ANY, NONE = AttributeOp.ANY_OF, AttributeOp.NONE_OF


@pytest.mark.parametrize(
    ("op", "values", "those_who_match"),
    [
        (SET, [], [5, 5.5, "5", "10", "", "Я", True, False, -1]),
        (UNSET, [], [None]),
        (ANY, [5, "Я"], [5, "Я"]),
        (ANY, ["5", True], ["5", True]),
        (ANY, [1], []),
        (NONE, [5, ""], [None, 5.5, "5", "10", "Я", True, False, -1]),
        (LEAST, [5], [5, 5.5]),
        (LEAST, [5.25], [5.5]),
        (MOST, [5], [5, -1]),
        (LEAST, ["5"], ["5", "Я"]),
        (MOST, ["5"], ["5", "10", ""]),
    ],
)
def test_what_an_attribute_must_be_like(op: AttributeOp, values: list[Any], those_who_match: list[Any]) -> None:
    condition = AttributeCondition("a", op, tuple(map(value_text, values)))
    found = []
    for value in (None, 5, 5.5, "5", "10", "", "Я", True, False, -1):
        attributes = {} if value is None else {"a": value}
        if any(AudienceFilter(attributes=(condition,)).among([Candidate(1, "", "916", attributes)])):
            found.append(value)
    assert list(map(repr, found)) == list(map(repr, those_who_match))


@pytest.mark.parametrize(
    ("op", "values"), [(SET, ()), (UNSET, ()), (ANY, (5,)), (NONE, (5,)), (LEAST, (5,)), (MOST, (5,))]
)
def test_what_nobody_has_matches_nobody_unless_it_may_be_missing(op: AttributeOp, values: tuple[int, ...]) -> None:
    condition = AttributeCondition("city", op, tuple(map(value_text, values)))
    filter = AudienceFilter(attributes=(AttributeCondition("vip", SET), condition))
    assert filter.needs_any_of({"city"}) is (op not in (UNSET, NONE))
    assert filter.needs_any_of({"vip", "town"})
    assert not filter.needs_any_of({"town"})


def test_a_candidate_is_made_of_a_client_as_it_is_stored() -> None:
    class Stored:
        tag, phone_code, attributes = "new", "916", '{"city":"Омск"}'

    assert Candidate.of(7, Stored()) == Candidate(7, "new", "916", attributes_of(Stored.attributes))


@pytest.mark.parametrize(
    ("name", "op", "values", "expected"),
    [
        ("city", ANY, ["x", 1, True], []),
        ("city", ANY, [], [("values", "NEEDS_VALUES")]),
        ("city", NONE, [], [("values", "NEEDS_VALUES")]),
        ("city", LEAST, [], [("values", "NEEDS_ONE_VALUE")]),
        ("city", MOST, [1, 2], [("values", "NEEDS_ONE_VALUE")]),
        ("city", MOST, [True], [("values[0]", "NO_ORDER")]),
        ("city", LEAST, [1], []),
        ("city", SET, [], []),
        ("city", UNSET, [1], [("values", "NEEDS_NO_VALUES")]),
        ("tag", SET, [1], [("name", "RESERVED_NAME"), ("values", "NEEDS_NO_VALUES")]),
        (
            "City",
            ANY,
            [None, []],
            [("name", "BAD_ATTRIBUTE_NAME"), ("values[0]", "NULL"), ("values[1]", "NOT_ATTRIBUTE")],
        ),
    ],
)
def test_what_is_wrong_with_a_condition(
    name: str, op: AttributeOp, values: list[Any], expected: list[tuple[str, str]]
) -> None:
    found = AttributeCondition(name, op).errors(values)
    assert [(error.field, error.fault.code) for error in found] == expected


def test_entries_of_lists_count_once() -> None:
    one, two = AttributeCondition("a", SET), AttributeCondition("b", SET)
    filter = AudienceFilter(("a", "a"), ("1", "1"), ("b", "b"), (one, two, one), (2, 1, 2))
    assert filter.distinct() == AudienceFilter(("a",), ("1",), ("b",), (one, two), (2, 1))
    assert filter.names == ("a", "b")


def test_what_is_said_twice_counts_once() -> None:
    said = AudienceFilter(tags=("a", "b", "a"), messages=MessageCondition(7, ("sent", "sent"), ("expired", "expired")))
    assert said.distinct() == AudienceFilter(("a", "b"), messages=MessageCondition(7, ("sent",), ("expired",)))


def test_who_is_on_the_stop_list_is_not_in_the_audience() -> None:
    assert Audience({("UTC", 0): 3, ("Asia/Omsk", 0): 2}, suppressed=4).size == 5


def test_an_audience_by_zones_and_by_parts_of_the_numbers() -> None:
    found = Audience({("UTC", 0): 3, ("UTC", 2): 4, ("Asia/Omsk", 1): 5})
    assert found.by_zone == {"UTC": 7, "Asia/Omsk": 5}
    assert found.by_part(2) == (3, 5, 4)
    assert found.by_zone_within(2) == {"UTC": 3, "Asia/Omsk": 5}
    assert found.by_zone_within(0) == {}
