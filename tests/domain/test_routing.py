"""Invariants: whatever is open, a free message is for one open provider at most, and a bound one for its own only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.routing import (
    ANY_NUMBER,
    OF_FBRQ,
    Ranges,
    Route,
    Way,
    Wish,
    bound_to,
    candidates,
    first_open,
    holds,
    next_after,
    ranges_of,
    route_of,
    unserved,
    without,
)

A, B, C = Way(1, name="a"), Way(2, name="b"), Way(3, name="c")
MOSCOW, NOT_MOSCOW = 74950000001, 79160000001
OF_MOSCOW = ranges_of(["7495"])

PREFIXES = st.lists(st.text("0123456789", min_size=1, max_size=11).map(lambda digits: "7" + digits[:10]), max_size=4)
NUMBERS = st.integers(70000000000, 79999999999)


@dataclass(frozen=True)
class Message:
    """A pending one."""

    number: int
    provider_id: int | None
    is_bound: bool


def allows(route: Route, message: Message) -> bool:
    """What a route says, in plain words."""
    if message.provider_id == route.provider_id and (message.is_bound or route.takes_turns):
        return True
    if message.is_bound or message.provider_id in route.leaves_to:
        return False
    return holds(route.ranges, message.number) and message.provider_id != route.provider_id


@st.composite
def providers(draw: st.DrawFn) -> list[Way]:
    return [
        Way(
            number,
            draw(st.booleans()),
            ranges_of(draw(PREFIXES)),
            f"p{number}",
            draw(st.frozensets(SENDERS)),
            is_retired=draw(st.booleans()),
        )
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]


MESSAGES = st.builds(Message, NUMBERS, st.one_of(st.none(), st.integers(1, 6)), st.booleans()).filter(
    lambda message: not message.is_bound or message.provider_id is not None
)
SENDERS = st.sampled_from(["Shop", "Bank"])
WISHES = st.builds(
    Wish, st.one_of(st.none(), st.integers(1, 5).map(lambda number: f"p{number}")), st.one_of(st.none(), SENDERS)
)


@given(providers(), MESSAGES, WISHES)
def test_open_providers_never_share_a_message(ways: list[Way], message: Message, wish: Wish) -> None:
    takers = [way for way in ways if way.is_open and allows(route_of(ways, way, wish), message)]
    assert len(takers) <= 1
    if message.is_bound:
        assert [way.provider_id for way in takers] in ([], [message.provider_id])
    elif message.provider_id is None:
        assert [way.provider_id for way in takers] == [id for id in [first_open(ways, message.number, wish)] if id]


@given(providers(), MESSAGES, WISHES)
def test_a_bound_message_is_for_its_own_provider_open_or_not(ways: list[Way], message: Message, wish: Wish) -> None:
    bound = replace(message, is_bound=True, provider_id=message.provider_id or 1)
    for way in ways:
        assert allows(route_of(ways, way, wish), bound) == (way.provider_id == bound.provider_id)


@given(providers(), MESSAGES, WISHES)
def test_what_an_open_candidate_takes_does_not_wait(ways: list[Way], message: Message, wish: Wish) -> None:
    """Whatever is stored as its turn."""
    free = replace(message, is_bound=False)
    able = [way for way in candidates(ways, wish) if way.is_open]
    if any(holds(way.ranges, free.number) for way in able):
        assert any(allows(route_of(ways, way, wish), free) for way in able)


@given(providers(), NUMBERS, WISHES, st.integers(0, 3))
def test_the_next_one_comes_later_is_open_and_takes_the_number(
    ways: list[Way], number: int, wish: Wish, index: int
) -> None:
    way = ways[index % len(ways)]
    next_id = next_after(ways, way, number, wish)
    if next_id is not None:
        (after,) = [each for each in ways if each.provider_id == next_id]
        assert ways.index(after) > ways.index(way)
        assert after.is_open
        assert holds(after.ranges, number)
        assert after in candidates(ways, wish)


@given(PREFIXES, PREFIXES, NUMBERS)
def test_ranges_are_the_numbers_that_begin_so(prefixes: list[str], taken: list[str], number: int) -> None:
    def begins(some: list[str]) -> bool:
        return not some or any(str(number).startswith(prefix) for prefix in some)

    assert holds(ranges_of(prefixes), number) == begins(prefixes)
    left = without(ranges_of(prefixes), ranges_of(taken))
    assert holds(left, number) == (begins(prefixes) and not begins(taken))
    assert list(left) == sorted(left)


@pytest.mark.parametrize(
    ("prefixes", "ranges"),
    [
        ([], ANY_NUMBER),
        (["7"], ((70000000000, 79999999999),)),
        (["7916", "7917"], ((79160000000, 79179999999),)),
        (["7916", "79161"], ((79160000000, 79169999999),)),
        (["7999", "7495"], ((74950000000, 74959999999), (79990000000, 79999999999))),
    ],
)
def test_ranges(prefixes: list[str], ranges: Ranges) -> None:
    assert ranges_of(prefixes) == ranges


def test_alone() -> None:
    assert route_of([A], A) == OF_FBRQ
    assert next_after([A], A, MOSCOW) is None
    assert unserved([A]) == ()


def test_one_that_is_not_first_takes_only_what_is_its_turn() -> None:
    assert route_of([A, B], A) == Route(1, leaves_to=(2,))
    assert route_of([A, B], B) == Route(2, ranges=(), leaves_to=(1,))
    closed = replace(A, is_open=False)
    assert route_of([closed, B], B) == Route(2)
    assert route_of([closed, B], closed) == Route(1, leaves_to=(2,))


def test_a_mailing_for_one_provider_is_nobody_elses() -> None:
    assert route_of([A, B], A, Wish("b")) == Route(1, takes_turns=False, ranges=())
    assert route_of([A, B], B, Wish("b")) == Route(2)
    assert next_after([A, B, C], A, MOSCOW, Wish("b")) is None
    assert next_after([A, B, C], B, MOSCOW, Wish("b")) is None
    assert first_open([A, B], MOSCOW, Wish("gone")) is None


def test_a_retired_one_gets_nothing_but_what_may_have_reached_it() -> None:
    retired, other = Way(1, name="a", is_retired=True), Way(2, name="b")
    assert route_of([retired, other], retired) == bound_to(1)
    assert route_of([retired, other], other) == Route(2, ranges=ANY_NUMBER, leaves_to=())
    assert next_after([other, retired], other, 79160000001) is None
    assert unserved([retired], Wish()) == ANY_NUMBER


def test_a_senders_name_that_a_provider_may_not_use_is_not_sent_without_it() -> None:
    ways = [A, replace(B, senders=frozenset({"Shop"}))]
    assert candidates(ways, Wish(sender="Shop")) == ways[1:]
    assert candidates(ways, Wish("a", "Shop")) == []
    assert next_after(ways, A, MOSCOW, Wish(sender="Bank")) is None


def test_after_one_comes_the_next_that_takes_the_number() -> None:
    ways = [A, replace(B, ranges=OF_MOSCOW), C]
    assert [next_after(ways, way, MOSCOW) for way in ways] == [2, 3, None]
    assert [next_after(ways, way, NOT_MOSCOW) for way in ways] == [3, 3, None]
    assert next_after([A, replace(B, is_open=False), C], A, MOSCOW) == 3


def test_numbers_that_nobody_takes() -> None:
    of_moscow = replace(A, ranges=OF_MOSCOW)
    assert holds(unserved([of_moscow]), NOT_MOSCOW)
    assert not holds(unserved([of_moscow]), MOSCOW)
    assert unserved([of_moscow, B]) == ()
    assert unserved([of_moscow, B], Wish("gone")) == ANY_NUMBER
