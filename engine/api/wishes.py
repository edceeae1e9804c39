"""What a mailing asks of its provider, checked against the providers that there are."""

from __future__ import annotations

from collections.abc import Sequence

from common.error_codes import ErrorCode, Fault
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.routing import Way, Wish, candidates, unserved
from engine.domain.validate import MailingInput
from engine.store.rows import MailingRow
from engine.store.store import Store
from mailing.v1 import mailing_pb2


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
    if not count:
        return []
    fault = ErrorCode.NUMBERS_NOT_SERVED.format(count=count)
    return [mailing_pb2.MailingWarning(code=fault.code, message=fault, field="provider", arguments=fault.arguments)]


def _sender_problem(able: Sequence[Way], name: str) -> Fault:
    names = sorted(frozenset[str]().union(*(way.senders for way in able)))
    if not names:
        return ErrorCode.NO_SENDERS.format()
    return ErrorCode.UNKNOWN_SENDER.format(name=name, names=", ".join(names))
