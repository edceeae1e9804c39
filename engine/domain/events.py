"""What others are told of: kinds of events, and when a mailing has come to one.

An event of a mailing is true from the instant at which a milestone is reached, and told once. ``due`` looks at a
mailing as it stands and says what is to be told of it; whoever asks stores the answer (``Milestone``,
``finished_count``) in one transaction with the events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag, StrEnum
from typing import Any, Final, NamedTuple

MESSAGES_MAX: Final = 1_000
"""Of one event."""
KEEP_DAYS: Final = 30.0


class EventKind(StrEnum):
    """The type of an event, as the API names it. Stored in the database."""

    MAILING_STARTED = "mailing.started"
    MAILING_FINISHED = "mailing.finished"
    MAILING_ENDED = "mailing.ended"
    MAILING_AT_RISK = "mailing.at_risk"
    PROVIDER_DOWN = "provider.down"
    PROVIDER_UP = "provider.up"
    CLIENT_OPTED_OUT = "client.opted_out"
    MESSAGES_SENT = "messages.sent"
    MESSAGES_NOT_SENT = "messages.not_sent"
    MESSAGES_DELIVERED = "messages.delivered"
    MESSAGES_UNDELIVERED = "messages.undelivered"
    WEBHOOK_TEST = "webhook.test"

    @property
    def is_of_messages(self) -> bool:
        """Of single messages: written only where somebody wants it."""
        return self in OF_MESSAGES


OF_MESSAGES: Final = frozenset(
    {
        EventKind.MESSAGES_SENT,
        EventKind.MESSAGES_NOT_SENT,
        EventKind.MESSAGES_DELIVERED,
        EventKind.MESSAGES_UNDELIVERED,
    }
)
_CLOSES: Final[Mapping[EventKind, frozenset[EventKind]]] = {
    EventKind.MESSAGES_SENT: frozenset({EventKind.MESSAGES_DELIVERED, EventKind.MESSAGES_UNDELIVERED}),
    EventKind.MESSAGES_DELIVERED: frozenset({EventKind.MESSAGES_UNDELIVERED}),
    EventKind.MESSAGES_UNDELIVERED: frozenset({EventKind.MESSAGES_DELIVERED}),
}
"""Before a new event of a kind there is room for later messages only in events of other kinds than these."""
TO_CHOOSE: Final = tuple(kind for kind in EventKind if kind is not EventKind.WEBHOOK_TEST)
"""What a webhook may ask for."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that has happened, before it has a place among the events."""

    kind: EventKind
    time_us: int
    stream: int | None
    """Events of one stream are told in order: a mailing's id, or minus a provider's; ``None``: it has no order."""
    data: Mapping[str, Any]
    """What the event says: a JSON object."""


class Milestone(IntFlag):
    """What was told of a mailing. The numbers are stored: never renumber. ``ENDED`` is the highest, because an index
    holds the mailings below it."""

    STARTED = 1
    AT_RISK = 2
    ENDED = 4


class Standing(NamedTuple):
    """A mailing as others may have to be told of it."""

    milestones: int
    """``Milestone``, of what was told."""
    finished_count: int | None
    """How many final messages it had when it was told to be finished; ``None``: it never was."""
    start_us: int
    end_us: int
    is_cancelled: bool
    is_ready: bool
    """All clients that match have their message."""
    pending: int
    final: int
    """Messages that are sent or not sent."""
    undone: int
    """Of these, those that only the end or a cancel has made final."""


def due(mailing: Standing, now_us: int) -> Iterator[EventKind]:
    """Say what is to be told of a mailing, in order.

    It is finished when nothing is left to send; again, when clients who came later have got theirs. It has ended when
    its time is over, or it is cancelled, and the last message is final: so an end tells final counts.
    """
    told = Milestone(mailing.milestones)
    if Milestone.ENDED in told:
        return
    has_started = Milestone.STARTED in told
    if not has_started and mailing.start_us <= now_us and not mailing.is_cancelled:
        has_started = True
        yield EventKind.MAILING_STARTED
    if mailing.pending or not (mailing.is_ready or mailing.is_cancelled):
        return
    if has_started and not mailing.undone and mailing.final != mailing.finished_count:
        yield EventKind.MAILING_FINISHED
    if mailing.is_cancelled or mailing.end_us <= now_us:
        yield EventKind.MAILING_ENDED


def milestones_after(milestones: int, kinds: Iterable[EventKind]) -> int:
    """``milestones`` when these events are told too."""
    reached = {
        EventKind.MAILING_STARTED: Milestone.STARTED,
        EventKind.MAILING_ENDED: Milestone.ENDED,
        EventKind.MAILING_AT_RISK: Milestone.AT_RISK,
    }
    return milestones | sum(reached.get(kind, 0) for kind in set(kinds))


def joined(happenings: Sequence[Happening]) -> list[Happening]:
    """Make one event of messages' events of one kind in one mailing. What is told of one message stays in order: that
    it was delivered comes after it was sent, and receipts come as they came. So do all other events of a mailing."""
    found: list[Happening] = []
    places: defaultdict[int | None, dict[EventKind, int]] = defaultdict(dict)
    for happening in happenings:
        kind, open_events = happening.kind, places[happening.stream]
        if kind not in OF_MESSAGES:
            open_events.clear()
        place = open_events.get(kind)
        if place is not None and _fit(found[place], happening):
            found[place] = _with(found[place], happening)
            continue
        for other in _CLOSES.get(kind, ()):
            open_events.pop(other, None)
        if kind in OF_MESSAGES:
            open_events[kind] = len(found)
        found.append(happening)
    return found


def _fit(before: Happening, after: Happening) -> bool:
    return len(before.data["messages"]) + len(after.data["messages"]) <= MESSAGES_MAX


def _with(before: Happening, after: Happening) -> Happening:
    messages = [*before.data["messages"], *after.data["messages"]]
    return replace(before, time_us=after.time_us, data={**before.data, "messages": messages})
