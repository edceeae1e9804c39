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


async def wish_warnings(
    store: Store, mailing: MailingInput | MailingRow, ways: Sequence[Way], unsent_of: int | None = None
) -> list[mailing_pb2.MailingWarning]:
    """That some who match have numbers which no provider of the mailing takes: nobody else is asked about it.
    ``unsent_of``: without those who have a final message of that mailing."""
    left = unserved(ways, wish_of(mailing))
    count = await store.audience_with_numbers(mailing.filter, left, unsent_of=unsent_of) if left else 0
    return _not_served(count)


class StandingWarnings:
    """What may not be as it was meant of a mailing that is registered already, as the preview says it before."""

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, questions: Questions, segments_max: int
    ) -> None:
        self._store, self._control, self._clock, self._questions = store, control, clock, questions
        self._segments_max = segments_max
        self._unserved: Fresh[tuple[int, Ranges], int] = Fresh(clock, _KEEP_SECONDS)

    def of_budget(self, mailing: MailingInput | MailingRow) -> list[mailing_pb2.MailingWarning]:
        """That the budget is not enough for a single message."""
        return budget_warnings(mailing, self._control.ways(), self._segments_max)

    async def of(self, row: MailingRow) -> list[mailing_pb2.MailingWarning]:
        """All that can be said at little cost; that of the numbers is left out where it would take long to find out."""
        if not row.counts.pending or row.state(self._clock.now_us()).is_over:
            return []
        found = self.of_budget(row)
        if left := unserved(self._control.ways(), wish_of(row)):
            with suppress(TimeoutError, StoreUnavailable, TooLong):
                async with asyncio.timeout(WARNING_SECONDS):
                    found += _not_served(await self._unserved.get((row.id, left), lambda: self._count(row.id, left)))
        return found

    async def _count(self, mailing_id: int, left: Ranges) -> int:
        key = ("unserved", mailing_id, left)
        return await self._questions.ask(
            key, caller_key(), lambda: self._store.waiting_with_numbers(mailing_id, left, _LOOK_AT_MAX)
        )


def _not_served(count: int) -> list[mailing_pb2.MailingWarning]:
    if not count:
        return []
    fault = ErrorCode.NUMBERS_NOT_SERVED.format(count=count)
    return [mailing_pb2.MailingWarning(code=fault.code, message=fault, field="provider", arguments=fault.arguments)]


def _sender_problem(able: Sequence[Way], name: str) -> Fault:
    names = sorted(frozenset[str]().union(*(way.senders for way in able)))
    if not names:
        return ErrorCode.NO_SENDERS.format()
    return ErrorCode.UNKNOWN_SENDER.format(name=name, names=", ".join(names))
