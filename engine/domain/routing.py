"""Which provider may have which message.

Providers are asked in an order. The first one that is open and takes a number is *responsible* for it: it may have the
messages that are free. A message that a provider certainly has not taken may have its *turn* at the next one. A
message that may have reached a provider is *bound*: that provider alone may have it, for ever, open or not. The store
holds each claim to the ``Route`` that is made here, so nothing that an engine remembers, or forgets, can give a message
to two providers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

Ranges = tuple[tuple[int, int], ...]
"""Phone numbers: from, to, both included; ascending, and none meets the next."""

_DIGITS: Final = 11
"""Of a phone number: 7XXXXXXXXXX."""
ANY_NUMBER: Final[Ranges] = ((0, 10**_DIGITS - 1),)
FBRQ_ID: Final = 1
"""The number of the provider ``fbrq`` in each database: the only one until there were several."""


@dataclass(frozen=True, slots=True)
class Way:
    """A provider, as far as the choice among them goes."""

    provider_id: int
    is_open: bool = True
    """Its breaker is closed, and it has not asked to be left alone."""
    ranges: Ranges = ANY_NUMBER
    """The numbers that it takes."""
    name: str = ""
    senders: frozenset[str] = frozenset()
    """From whom its texts may come."""
    price: int = 0
    """Of an SMS segment, in millionths; 0: it has none."""
    is_retired: bool = False
    """It is there for what may have reached it, and for nothing else."""


class Wish(NamedTuple):
    """What a mailing asks of its provider."""

    provider: str | None = None
    """This one and no other; ``None``: whoever can."""
    sender: str | None = None
    """The text is to come from this name; ``None``: as the provider has it."""


ANY: Final = Wish()


class Route(NamedTuple):
    """What one provider may have of a mailing's messages.

    It may have those that are bound to it. The rest of its own, and those that are free, as is said here.
    """

    provider_id: int = FBRQ_ID
    takes_turns: bool = True
    """It may have those whose turn at this provider has come. False: the mailing is for another one."""
    ranges: Ranges = ANY_NUMBER
    """It may have free messages to these numbers; empty: none. Free is what is nobody's turn, and what is the turn of a
    provider that is not able to take it just now."""
    leaves_to: tuple[int, ...] = ()
    """Providers that are: what is the turn of one of them is not free."""


class Ask(NamedTuple):
    """What is to be claimed of a mailing whose messages have no price."""

    mailing_id: int
    limit: int
    """Messages."""
    personal: bool
    """Claims bring what of their clients goes into the text."""
    route: Route


OF_FBRQ: Final = Route()
"""Where there is no other provider, and never was."""


def bound_to(provider_id: int) -> Route:
    """Only what may have reached a provider."""
    return Route(provider_id, takes_turns=False, ranges=())


def ranges_of(prefixes: Iterable[str]) -> Ranges:
    """The numbers that begin with one of these prefixes (digits); all numbers when there are none."""
    widths = [(int(prefix), 10 ** max(0, _DIGITS - len(prefix))) for prefix in prefixes]
    return joined((first * width, (first + 1) * width - 1) for first, width in widths) if widths else ANY_NUMBER


def joined(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The numbers that are in one of these, which may overlap and be in any order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def common(ranges: Ranges, others: Ranges) -> Ranges:
    """The numbers that are in both."""
    return without(ranges, without(ranges, others))


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """What is left of the numbers when others are taken away."""
    left: list[tuple[int, int]] = []
    for first, last in ranges:
        for taken_first, taken_last in taken:
            if taken_last < first or taken_first > last:
                continue
            if first < taken_first:
                left.append((first, taken_first - 1))
            first = taken_last + 1
        if first <= last:
            left.append((first, last))
    return tuple(left)


def holds(ranges: Ranges, number: int) -> bool:
    """Whether a number is one of these."""
    return any(first <= number <= last for first, last in ranges)


def candidates(ways: Sequence[Way], wish: Wish) -> list[Way]:
    """The providers that may have the messages of a mailing with such a wish."""
    return [
        way
        for way in ways
        if not way.is_retired
        and wish.provider in (None, way.name)
        and (wish.sender is None or wish.sender in way.senders)
    ]


def route_of(ways: Sequence[Way], way: Way, wish: Wish = ANY) -> Route:
    """What one of the providers may have of a mailing's messages.

    One that is closed takes none but for a probe, which may be any message that it is a candidate for.

    Args:
        ways: all providers, in their order.
        way: one of them.
        wish: the mailing's.
    """
    able = candidates(ways, wish)
    if way not in able:
        return bound_to(way.provider_id)
    ranges = way.ranges
    for earlier in able[: able.index(way)] if way.is_open else ():
        if earlier.is_open:
            ranges = without(ranges, earlier.ranges)
    leaves_to = tuple(other.provider_id for other in able if other.is_open and other is not way)
    return Route(way.provider_id, takes_turns=True, ranges=ranges, leaves_to=leaves_to)


def next_after(ways: Sequence[Way], way: Way, number: int, wish: Wish = ANY) -> int | None:
    """The provider whose turn it is after one that certainly has not taken a message; ``None``: there is none, so it is
    free again, after a pause."""
    able = candidates(ways, wish)
    later = able[able.index(way) + 1 :] if way in able else ()
    return next((other.provider_id for other in later if other.is_open and holds(other.ranges, number)), None)


def first_open(ways: Sequence[Way], number: int, wish: Wish = ANY) -> int | None:
    """The provider that is responsible for a number; ``None``: no candidate is open."""
    able = candidates(ways, wish)
    return next((way.provider_id for way in able if way.is_open and holds(way.ranges, number)), None)


def unserved(ways: Sequence[Way], wish: Wish = ANY) -> Ranges:
    """The numbers that no candidate takes, open or not: their messages wait until their mailing ends."""
    left = ANY_NUMBER
    for way in candidates(ways, wish):
        left = without(left, way.ranges)
    return left
