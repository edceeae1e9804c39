"""Invariant: a number is in the fare of those who may have it, and in no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.fares import Fare, cost_at_most, fares_of, place_in
from engine.domain.routing import ANY_NUMBER, Way, Wish, candidates, holds, ranges_of
from tests.domain.test_routing import NUMBERS, WISHES, providers

ALPHA = Way(1, name="alpha", price=1_100_000, ranges=ranges_of(["7916"]))
CAROL = Way(2, name="carol", price=2_500_000, ranges=ranges_of(["7495"]))
BETA = Way(3, name="beta", price=1)
MOBILE, MOSCOW, OTHER = 79160000001, 74950000001, 79030000001


@given(providers(), st.lists(st.integers(0, 3), min_size=4, max_size=4), WISHES, NUMBERS)
def test_each_number_has_the_prices_of_those_who_take_it(
    ways: list[Way], prices_of_all: list[int], wish: Wish, number: int
) -> None:
    ways = [replace(way, price=price) for way, price in zip(ways, prices_of_all, strict=False)]
    fares = fares_of(ways, wish)
    assert len({(fare.first, fare.dearest) for fare in fares}) == len(fares)
    prices = [way.price for way in candidates(ways, wish) if holds(way.ranges, number)]
    found = [fare for fare in fares if holds(fare.ranges, number)]
    assert [(fare.first, fare.dearest) for fare in found] == ([(prices[0], max(prices))] if prices else [])
    assert not found or fares[place_in(fares)(number)] == found[0]


def test_who_stands_behind_counts_with_its_price() -> None:
    """As long as it takes the number: else it can't be its turn."""
    fares = fares_of([ALPHA, CAROL, BETA])
    place = place_in(fares)
    assert [fares[place(number)][1:] for number in (MOBILE, MOSCOW, OTHER)] == [
        (1_100_000, 1_100_000),
        (2_500_000, 2_500_000),
        (1, 1),
    ]
    assert [fare[1:] for fare in fares_of([BETA, CAROL])] == [(1, 2_500_000), (1, 1)]
    assert fares_of([ALPHA], Wish("alpha")) == (Fare(ALPHA.ranges, 1_100_000, 1_100_000),)
    assert fares_of([ALPHA], Wish("gone")) == ()


CHEAP, DEAR = Fare(((1, 5),), 0, 10), Fare(((6, 9),), 20, 30)


@pytest.mark.parametrize(
    ("counts", "segments", "texts", "cost"),
    [
        ((20, 0), 20, (), 200),
        ((0, 20), 40, (), 1200),  # two segments each
        ((10, 20), 30, (), 10 * 10 + 20 * 30),
        ((0, 0), 0, (), 0),
        ((2, 1), 5, ((0, 1), (0, 1), (1, 3)), 2 * 10 + 3 * 30),  # all were looked at: it is exact
        ((2, 1), 2, ((0, 1), (0, 1), (1, 0)), 2 * 10),  # the third one gets none
        ((1, 0), 0, ((0, 0),), 0),
        ((2000, 1000), 5000, ((0, 1), (0, 1), (1, 3)), 1000 * (2 * 10 + 3 * 30)),
        ((3000, 1000), 8000, ((0, 2),), 6000 * 10 + 2000 * 30),  # no dear one was looked at: as long as the others
        ((1, 2), 1, (), 24),  # 23.3, and that is the most
    ],
)
def test_what_texts_cost(counts: tuple[int, ...], segments: int, texts: tuple[tuple[int, int], ...], cost: int) -> None:
    assert cost_at_most((CHEAP, DEAR), counts, segments, texts) == cost


def test_where_nobody_sends_nothing_costs() -> None:
    assert cost_at_most((), (), 0) == 0
    assert fares_of([Way(1)]) == (Fare(ANY_NUMBER, 0, 0),)
