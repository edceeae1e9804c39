"""What a mailing asks of its provider, checked against the providers that there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from common.error_codes import ErrorCode, Fault
from engine.api.caller import caller_key
from engine.api.control import DeliveryControl
from engine.api.costs import budget_warnings
from engine.api.fresh import Fresh
from engine.api.questions import Questions
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.fares import fares_of
from engine.domain.routing import Ranges, Way, Wish, candidates, unserved
from engine.domain.validate import MailingInput
from engine.ports import Clock, StoreUnavailable
from engine.store.errors import TooLong
from engine.store.rows import MailingRow
from engine.store.store import Store
from mailing.v1 import mailing_pb2

WARNING_SECONDS: Final = 1.0
"""How long an answer waits for its warnings."""
_LOOK_AT_MAX: Final = 100_000
"""Messages: some tenths of a second on the slow side."""
_KEEP_SECONDS: Final = 5.0
"""A page asks every 2 s."""


def wish_input(mailing: mailing_pb2.Mailing, ways: Sequence[Way] | None) -> Wish:
    """Read the wish; ``ways``: the providers, ``None``: it is not checked.

    Raises:
        InvalidInput: there is no such provider, or nobody sends under this name.
    """
    wish = Wish(
        mailing.provider if mailing.HasField("provider") else None,
        mailing.sender if mailing.HasField("sender") else None,
    )
    return wish if ways is None else checked_wish(wish, ways)


def checked_wish(wish: Wish, ways: Sequence[Way]) -> Wish:
    """The wish itself.

    Raises:
        InvalidInput: there is no such provider, or nobody sends under this name.
    """
    if candidates(ways, wish):
        return wish
    able = candidates(ways, Wish(wish.provider))
    if not able:
        names = ", ".join(way.name for way in ways)
        problem = ErrorCode.UNKNOWN_PROVIDER.format(name=str(wish.provider), names=names)
        raise InvalidInput([FieldError("provider", problem)])
    raise InvalidInput([FieldError("sender", _sender_problem(able, str(wish.sender)))])


def wish_of(mailing: MailingInput | MailingRow) -> Wish:
    """What a stored mailing asks for."""
    return Wish(mailing.provider, mailing.sender)


def not_served_warnings(count: int) -> list[mailing_pb2.MailingWarning]:
    """That so many have numbers which no provider of the mailing takes: nobody else is asked about them."""
    if not count:
        return []
    fault = ErrorCode.NUMBERS_NOT_SERVED.format(count=count)
    return [mailing_pb2.MailingWarning(code=fault.code, message=fault, field="provider", arguments=fault.arguments)]


class StandingWarnings:
    """What may not be as it was meant of a mailing that is registered already, as the preview says it before."""

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, questions: Questions, segments_max: int
    ) -> None:
        self._store, self._control, self._clock, self._questions = store, control, clock, questions
        self._segments_max = segments_max
        self._counted: Fresh[tuple[int, tuple[Ranges, ...]], tuple[int, ...]] = Fresh(clock, _KEEP_SECONDS)

    def of_budget(self, mailing: MailingInput | MailingRow) -> list[mailing_pb2.MailingWarning]:
        """That the budget is not enough for a single message, whatever number that goes to."""
        return budget_warnings(mailing, fares_of(self._control.ways(), wish_of(mailing)), self._segments_max)

    async def of(self, row: MailingRow) -> list[mailing_pb2.MailingWarning]:
        """All that can be said at little cost; that of the numbers is left out where it would take long to find out."""
        if not row.counts.pending or row.state(self._clock.now_us()).is_over:
            return []
        ways, wish = self._control.ways(), wish_of(row)
        fares = fares_of(ways, wish)
        prices = {fare.first for fare in fares} if row.budget is not None else ()
        counts: tuple[int, ...] = ()
        if unserved(ways, wish) or len(prices) > 1:
            key = row.id, tuple(fare.ranges for fare in fares)
            with suppress(TimeoutError, StoreUnavailable, TooLong):
                async with asyncio.timeout(WARNING_SECONDS):
                    counts = await self._counted.get(key, lambda: self._count(*key))
        found = budget_warnings(row, fares, self._segments_max, counts[:-1])
        return [*found, *not_served_warnings(counts[-1])] if counts else found

    async def _count(self, mailing_id: int, parts: tuple[Ranges, ...]) -> tuple[int, ...]:
        """How many wait, by their numbers."""
        return await self._questions.ask(
            ("waiting", mailing_id, parts),
            caller_key(),
            lambda: self._store.waiting_by_part(mailing_id, parts, _LOOK_AT_MAX),
        )


def _sender_problem(able: Sequence[Way], name: str) -> Fault:
    names = sorted(frozenset[str]().union(*(way.senders for way in able)))
    if not names:
        return ErrorCode.NO_SENDERS.format()
    return ErrorCode.UNKNOWN_SENDER.format(name=name, names=", ".join(names))
