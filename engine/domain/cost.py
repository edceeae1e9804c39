"""What texts cost: a price for each segment, a charge for each message, and what a mailing may cost in all.

Money is counted in millionths of its unit, in whole numbers, so that sums of it are exact.

A message that an engine takes is charged at once with the most that its call can cost (``reserve``): the price of its
text as it is then, which is compared once more right before the call. The outcome
makes a price of it: nothing when the text certainly was not sent, the real price when it was or when nobody knows
(``settled``). A message that may have reached its provider is called again under the same id, so it is charged once:
with its dearest call. Thus the sum of all charges is never less than what the provider will bill, and a claim that fits
into what is left of a budget keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from engine.domain.message import Event, Status, Step

UNIT: Final = 1_000_000
"""Millionths."""
DECIMALS: Final = 6


class Charge(NamedTuple):
    """What a message costs while an engine has it, in millionths."""

    before: int = 0
    """For earlier calls whose outcome nobody knows."""
    reserved: int = 0
    """Until its call has ended: enough for that, and for what was before. 0: its provider has no price, and whatever
    the message costs stays as it is."""

    def covers(self, price: int) -> bool:
        """Whether a text of this price may be sent."""
        return price <= self.reserved


FREE: Final = Charge()


class Quote(NamedTuple):
    """What calls may cost, as a claim must know it."""

    dearest: int = 0
    """The most that one message can cost, in millionths; 0: its provider has no price."""
    has_budget: bool = False
    """The mailing may cost so much and no more, as far as the engine knows."""
    price_of: Callable[[Any], int] | None = None
    """What the text of one person (``engine.person.Person``) costs, never more than ``dearest``; ``None``: all texts
    cost that."""


NO_PRICE: Final = Quote()


def micros(money: float) -> int:
    """Money as it is written, in millionths."""
    return round(money * UNIT)


def money(micros: int) -> float:
    """Millionths, as money is written."""
    return micros / UNIT


def written(micros: int) -> str:
    """Millionths, with the decimals that they have and no exponent: ``0.000001``."""
    return f"{money(micros):.{DECIMALS}f}".rstrip("0").rstrip(".")


def is_exact(money: float) -> bool:
    """Whether money has six decimals at most."""
    return round(money, DECIMALS) == money


def affordable(left: int, dearest: int) -> int:
    """How many messages what is left of a budget is enough for."""
    return max(0, left) // dearest


def reserve(before: int, dearest: int) -> Charge:
    """The charge of a message that an engine takes."""
    return Charge(before, max(before, dearest))


def fitting(left: int, candidates: Iterable[tuple[int, int, int]]) -> dict[int, int]:
    """Choose whom what is left of a budget is enough for.

    Args:
        left: so much may be charged besides. What is charged already is chosen, even when it is below 0.
        candidates: of each message the id, what it has cost before, and the price of its text; those whose turn it is
            come first.

    Returns:
        The ids with these prices. One that does not fit keeps no cheaper one waiting.
    """
    chosen: dict[int, int] = {}
    for id, before, price in candidates:
        more = reserve(before, price).reserved - before
        if more <= max(left, 0):
            chosen[id] = price
            left -= more
    return chosen


def settled(charge: Charge, event: Event, result: Step | None, price: int) -> int:
    """What a message costs once its call has ended.

    Args:
        charge: what it was taken with.
        event: how the call has ended.
        result: what follows for the message; ``None``: it is removed.
        price: of the text that was called with.
    """
    if result is None:
        return 0
    may_be_billed = event is Event.MISS or result.status is Status.SENT
    return max(charge.before, price) if may_be_billed else charge.before
