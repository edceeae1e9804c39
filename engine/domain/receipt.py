"""What a receipt, the provider's later word about a text, means for its message.

Receipts come early, late, twice and in any order, so nothing depends on when they come: of all receipts of a message
the one with the latest time counts. A receipt says nothing of a message that was never called.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, NamedTuple

from engine.domain.message import Status


class Delivery(IntEnum):
    """What became of a text that the provider took. The numbers are stored in the database: never renumber."""

    DELIVERED = 1
    UNDELIVERED = 2

    @property
    def public(self) -> str:
        """The word that the API has for it; also the name of the counter."""
        return self.name.lower()


NO_RECEIPT: Final = "none"
"""Beside the words of ``Delivery``: the message is sent, and nothing more is known."""


class Receipt(NamedTuple):
    """What a provider says of a text that it has taken. It names the message by our id or by its own."""

    delivery: Delivery
    time_us: int
    """When that happened, as the provider says."""
    message_id: int | None = None
    provider_message_id: str | None = None
    provider: str | None = None
    """The name of the provider, which speaks only for messages that it was given; ``None``: whoever has sent it speaks
    for all."""
    code: str | None = None
    detail: str | None = None


class Standing(NamedTuple):
    """A message when a receipt comes."""

    status: Status
    attempt: int
    """Calls, the one under way included."""
    delivery_us: int | None
    """The time that its latest receipt names; ``None``: it has none."""


class Effect(Enum):
    """What a receipt does."""

    UNKNOWN = "it is about nothing that was done"
    DUPLICATE = "a receipt that is as late or later came before"
    KEPT = "it is the latest one of its message"
    CONFIRMS = "it is kept, and the message is sent"


def weigh(standing: Standing | None, time_us: int) -> Effect:
    """Return what a receipt does.

    Args:
        standing: the message; ``None``: there is none, or its mailing is deleted.
        time_us: the time that the receipt names.
    """
    if standing is None or not standing.attempt:
        return Effect.UNKNOWN
    if standing.delivery_us is not None and time_us <= standing.delivery_us:
        return Effect.DUPLICATE
    return Effect.CONFIRMS if standing.status is Status.PENDING else Effect.KEPT


def is_called_in_vain(standing: Standing) -> bool:
    """Whether an engine has taken a message for another call although the provider took it before, as a receipt says.
    The engine is told: it need not call any more."""
    return standing.attempt > 1 and standing.delivery_us is not None and standing.status.is_taken


def way_seconds(sent_us: int, delivered_us: int) -> float:
    """How long a text was on its way. The two times are of two clocks: a way is never shorter than nothing."""
    return max(0, delivered_us - sent_us) * 1e-6
