"""What a route allows, as SQL: by this fence no message gets to a second provider while a first may have taken it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from engine.domain.routing import ANY_NUMBER, Ranges, Route, without

_ROUTES: Final = 1_000


@lru_cache(_ROUTES)
def may_have(route: Route) -> str:
    """The condition that a pending message, ``m``, may be taken for a route, with its client ``c`` where the route asks
    for numbers. A bound message (``unsure``) is its own provider's, whatever else the route says."""
    own = f"m.provider_id = {int(route.provider_id)}"
    if not route.takes_turns:
        return f"({own} AND m.unsure)"
    if not route.ranges:
        return own
    free = "NOT m.unsure"
    if route.leaves_to:
        others = ", ".join(str(int(provider_id)) for provider_id in route.leaves_to)
        free += f" AND (m.provider_id IS NULL OR m.provider_id NOT IN ({others}))"
    if asks_numbers(route):
        free += f" AND {in_ranges(route.ranges)}"
    return f"(({free}) OR {own})"  # mostly the first of them holds


def in_ranges(ranges: Ranges) -> str:
    """The condition that the client ``c`` has one of these numbers; there must be some."""
    return f"({' OR '.join(f'c.phone_number BETWEEN {int(first)} AND {int(last)}' for first, last in ranges)})"


def part_of(parts: Sequence[Ranges]) -> str:
    """The place of the part that the number of the client ``c`` is in; for one that is in none, how many parts there
    are. The part that takes the most words is said by leaving the others out."""
    rest = ANY_NUMBER
    for ranges in parts:
        rest = without(rest, ranges)
    places = sorted((len(ranges), place, ranges) for place, ranges in enumerate([*parts, rest]) if ranges)
    *said, (_, other, _) = places
    whens = " ".join(f"WHEN {in_ranges(ranges)} THEN {place}" for _, place, ranges in said)
    return f"CASE {whens} ELSE {other} END" if whens else str(other)


def asks_numbers(route: Route) -> bool:
    """Whether the route allows some numbers and not others."""
    return route.ranges not in ((), ANY_NUMBER)


def with_numbers(route: Route) -> str:
    """The join with clients, where the condition needs it."""
    return "JOIN client AS c ON c.id = m.client_id" if asks_numbers(route) else ""


def index_for(route: Route) -> str:
    """The index by which what the route allows is found: one of its own where it allows only what is its provider's,
    for that is next to nothing among all that is due."""
    return "message_due" if route.takes_turns and route.ranges else "message_turn"
