"""Which line may have which message now; the rule itself is ``domain/routing.py``."""

from __future__ import annotations

from collections.abc import Sequence

from engine.delivery.line import Line
from engine.domain.routing import ANY, Route, Way, Wish, candidates, first_open, next_after, route_of
from engine.ports import Plan


class Router:
    """One for an engine."""

    def __init__(self, lines: Sequence[Line]) -> None:
        """``lines``: in the order in which their providers are asked."""
        self._lines = lines
        self._by_id = {line.provider_id: line for line in lines}

    @property
    def ways(self) -> list[Way]:
        """The providers, in their order, as they are now."""
        return [line.way for line in self._lines]

    def responsible(self) -> list[Line]:
        """The lines that may have free messages now, of a mailing that asks for nothing."""
        ways = self.ways
        return [line for line in self._lines if line.is_open and route_of(ways, ways[line.number]).ranges]

    def route(self, line: Line, plan: Plan) -> Route:
        """What may be claimed of a mailing for a line."""
        ways = self.ways
        return route_of(ways, ways[line.number], wish_of(plan))

    def next_after(self, line: Line, number: int, plan: Plan) -> int | None:
        """The provider whose turn it is after this line's has certainly not taken a message; ``None``: it is free."""
        if not line.spec.failover or len(self._lines) == 1:
            return None
        ways = self.ways
        return next_after(ways, ways[line.number], number, wish_of(plan))

    def lines_for(self, wish: Wish) -> list[Line]:
        """The lines to the providers that a wish leaves, whatever number they take."""
        return [self._by_id[way.provider_id] for way in candidates(self.ways, wish)]

    def first_open(self, number: int, wish: Wish = ANY) -> Line | None:
        """The line for a text that belongs to no mailing; ``None``: no provider that takes the number is open."""
        provider_id = first_open(self.ways, number, wish)
        return None if provider_id is None else self._by_id[provider_id]


def wish_of(plan: Plan) -> Wish:
    """What a mailing asks of its provider."""
    return Wish(plan.provider, plan.sender)


def are_alike(before: Plan, after: Plan) -> bool:
    """Whether a mailing's messages are for the same clients, and for the same providers."""
    return before.audience_generation == after.audience_generation and wish_of(before) == wish_of(after)
