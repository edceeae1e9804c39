"""The lifecycle of a message: one table, one file.

A message is one mailing x one client. What the API calls ``pending`` is three
states here, because a crash must be able to tell them apart: not taken by
anybody (``PENDING``), taken by an engine (``CLAIMED``), and taken with the mark
"the provider may have been called" on disk (``CALLING``).

The mark is stored only for mailings with ``on_uncertain = not_sent``: for
``resend`` the answer after a crash is the same with and without it (the same
message id is sent again), so the write would buy nothing.

An attempt whose outcome is unknown (the request may have reached the provider, and
no complete answer came back) makes its message *unsure*, for ever. An unsure message may
still become ``SENT``; if it ends in any other way, its reason is ``UNCERTAIN``. So a
message that is ``NOT_SENT`` for any other reason was certainly not sent.

A receipt is the provider's word that it took the text. So a message that was called, and is
not final, is ``SENT`` by it (``CONFIRM``): at once if it waits, and if an engine has it when the
engine lets go of it, whatever came of that engine's call (``heard``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Status(IntEnum):
    """Where a message is. The numbers are stored in the database: never renumber."""

    PENDING = 0
    CLAIMED = 1
    CALLING = 2
    SENT = 3
    NOT_SENT = 4

    @property
    def public(self) -> str:
        """The status as the API names it: ``pending``, ``sent`` or ``not_sent``."""
        return _PUBLIC[self]

    @property
    def is_taken(self) -> bool:
        """True while an engine has the message."""
        return self in (Status.CLAIMED, Status.CALLING)

    @property
    def is_final(self) -> bool:
        """True when nothing can happen to the message any more."""
        return self in (Status.SENT, Status.NOT_SENT)


_PUBLIC: Final[Mapping[Status, str]] = {
    Status.PENDING: "pending",
    Status.CLAIMED: "pending",
    Status.CALLING: "pending",
    Status.SENT: "sent",
    Status.NOT_SENT: "not_sent",
}


class Reason(IntEnum):
    """Why a message is ``NOT_SENT``. The numbers are stored in the database: never renumber."""

    EXPIRED = 1
    REJECTED = 2
    CANCELLED = 3
    UNCERTAIN = 4
    SUPPRESSED = 5
    INCOMPLETE = 6

    @property
    def public(self) -> str:
        """The reason as the API names it."""
        return self.name.lower()


class Event(Enum):
    """What can happen to a message. The value is what docs/one-message.md calls it."""

    CLAIM = "an engine takes it"
    BEGIN = "the mark before the call is stored"
    RELEASE = "given back, not called"
    ACCEPT = "the provider answers 2xx"
    REJECT = "the provider answers 400"
    DEFER = "certainly not sent, to be tried again"
    MISS = "the outcome stays unknown"
    LOSE = "the engine died with it"
    EXPIRE = "the mailing has ended"
    CANCEL = "the mailing is cancelled"
    SUPPRESS = "its number is put on the stop list"
    LACK = "the text can't be made for its client"
    CONFIRM = "a receipt says that the provider took it"


class Step(NamedTuple):
    """The result of an event: the next status and, for ``NOT_SENT``, the reason."""

    status: Status
    reason: Reason | None = None
    unsure: bool = False
    """The message may have reached the provider: set for as long as it is not final."""


UNCERTAIN: Final = Step(Status.NOT_SENT, Reason.UNCERTAIN)
"""How an unsure message ends when it is not accepted."""


_UNCALLED: Final = frozenset({Event.RELEASE, Event.LACK})
"""The call for which the message was taken is not made."""


class IllegalTransition(Exception):
    """The event can't happen in this status: a bug in the caller, never a user's mistake."""

    def __init__(self, status: Status, event: Event) -> None:
        super().__init__(f"{event.name} can't happen to a message that is {status.name}")
        self.status = status
        self.event = event


TABLE: Final[Mapping[tuple[Status, Event], Step]] = MappingProxyType(
    {
        (Status.PENDING, Event.CLAIM): Step(Status.CLAIMED),
        (Status.PENDING, Event.EXPIRE): Step(Status.NOT_SENT, Reason.EXPIRED),
        (Status.PENDING, Event.CANCEL): Step(Status.NOT_SENT, Reason.CANCELLED),
        (Status.PENDING, Event.SUPPRESS): Step(Status.NOT_SENT, Reason.SUPPRESSED),
        (Status.PENDING, Event.CONFIRM): Step(Status.SENT),
        (Status.CLAIMED, Event.LACK): Step(Status.NOT_SENT, Reason.INCOMPLETE),
        (Status.CLAIMED, Event.BEGIN): Step(Status.CALLING),
        (Status.CLAIMED, Event.RELEASE): Step(Status.PENDING),
        (Status.CLAIMED, Event.ACCEPT): Step(Status.SENT),
        (Status.CLAIMED, Event.REJECT): Step(Status.NOT_SENT, Reason.REJECTED),
        (Status.CLAIMED, Event.DEFER): Step(Status.PENDING),
        (Status.CLAIMED, Event.MISS): Step(Status.PENDING, unsure=True),
        (Status.CLAIMED, Event.LOSE): Step(Status.PENDING, unsure=True),
        (Status.CLAIMED, Event.CONFIRM): Step(Status.SENT),
        (Status.CALLING, Event.RELEASE): Step(Status.PENDING),
        (Status.CALLING, Event.ACCEPT): Step(Status.SENT),
        (Status.CALLING, Event.REJECT): Step(Status.NOT_SENT, Reason.REJECTED),
        (Status.CALLING, Event.DEFER): Step(Status.PENDING),
        (Status.CALLING, Event.MISS): UNCERTAIN,
        (Status.CALLING, Event.LOSE): UNCERTAIN,
        (Status.CALLING, Event.CONFIRM): Step(Status.SENT),
    }
)


def step(status: Status, event: Event, *, unsure: bool = False) -> Step:
    """Return what ``event`` makes of a message in ``status``; ``unsure``: it was so before.

    Raises:
        IllegalTransition: the pair is not in the table.
    """
    try:
        result = TABLE[status, event]
    except KeyError:
        raise IllegalTransition(status, event) from None
    if not unsure or result.status is Status.SENT:
        return result
    return UNCERTAIN if result.status.is_final else result._replace(unsure=True)


def heard(event: Event, attempt: int) -> Event:
    """Return what happens to a message that has a receipt when its engine lets go of it.

    Args:
        event: how the engine lets go of it.
        attempt: the number of the call that the message was taken for. The receipt may be for an earlier one.
    """
    if event is Event.ACCEPT or (event in _UNCALLED and attempt == 1):
        return event
    return Event.CONFIRM


def statuses_before(event: Event) -> tuple[Status, ...]:
    """Return the statuses in which the event can happen."""
    return tuple(status for status, possible in TABLE if possible is event)


def outcome_of(event: Event) -> Step:
    """Return what the event makes of every message that is not unsure, whatever its status was.

    Raises:
        ValueError: the outcome depends on the status.
    """
    first, *others = {step(status, event) for status in statuses_before(event)}
    if others:
        raise ValueError(f"what {event.name} makes of a message depends on its status")
    return first


def withdraw(*, unsure: bool, listed: bool = False) -> Step | None:
    """Return what becomes of a pending message that is for nobody any more; ``None``: it is removed.

    Args:
        unsure: it may have reached the provider. It stays, for somebody may ask later who got the text.
        listed: the number of its client is on the stop list. Otherwise the client matches no longer.
    """
    if listed:
        return step(Status.PENDING, Event.SUPPRESS, unsure=unsure)
    return UNCERTAIN if unsure else None
