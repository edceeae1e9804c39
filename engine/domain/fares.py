"""What a text may cost, by the number that it goes to: numbers that the same providers take have the same prices."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from engine.domain.routing import ANY, ANY_NUMBER, Ranges, Way, Wish, candidates, common, joined, without


class Fare(NamedTuple):
    """Numbers, and the price of an SMS segment to one of them, in millionths; 0: none is known."""

    ranges: Ranges
    first: int
    """At the provider that comes first in the order, open or not."""
    dearest: int
    """At the dearest that takes them: what the first one has certainly not taken is the next one's turn."""


def fares_of(ways: Sequence[Way], wish: Wish = ANY) -> tuple[Fare, ...]:
    """All numbers that somebody takes, each in one fare, and no two fares with the same prices."""
    left, fares = ANY_NUMBER, list[Fare]()
    for way in candidates(ways, wish):
        fares = [each for fare in fares for each in _split(fare, way)]
        fares.append(Fare(common(left, way.ranges), way.price, way.price))
        left = without(left, way.ranges)
    found: dict[tuple[int, int], Ranges] = {}
    for ranges, *prices in fares:
        if ranges:
            first, dearest = prices
            found[first, dearest] = joined((*found.get((first, dearest), ()), *ranges))
    return tuple(Fare(ranges, first, dearest) for (first, dearest), ranges in found.items())


def _split(fare: Fare, way: Way) -> tuple[Fare, Fare]:
    """By whether a later provider takes them as well."""
    also = fare._replace(ranges=common(fare.ranges, way.ranges), dearest=max(fare.dearest, way.price))
    return also, fare._replace(ranges=without(fare.ranges, way.ranges))


def place_in(fares: Sequence[Fare]) -> Callable[[int], int]:
    """A quick way from a number to the place of its fare; the number must be in one of them."""
    ordered = sorted((last, place) for place, fare in enumerate(fares) for _, last in fare.ranges)
    lasts = [last for last, _ in ordered]
    return lambda number: ordered[bisect_left(lasts, number)][1]


def cost_at_most(
    fares: Sequence[Fare], counts: Sequence[int], segments: int, texts: Iterable[tuple[int, int]] = ()
) -> int:
    """What texts cost if each goes to the dearest provider that may have it, in millionths.

    Args:
        fares: of all numbers that somebody takes.
        counts: how many people have a number of each fare.
        segments: of all their texts together.
        texts: some of the texts, each as the place of its fare and its segments (0: there is none for that person): so
            it is known whether the texts of one fare are longer. Without them all are of the same length.
    """
    looked, found = Counter[int](), Counter[int]()
    for place, length in texts:
        looked[place] += 1
        found[place] += length
    mean = Fraction(found.total() or 1, looked.total() or 1)
    weights = [
        number * (Fraction(found[place], looked[place]) if looked[place] else mean)
        for place, number in enumerate(counts[: len(fares)])
    ]
    whole = sum(weights)
    paid = sum(weight * fare.dearest for weight, fare in zip(weights, fares, strict=True))
    return ceil(segments * paid / whole) if whole else 0
