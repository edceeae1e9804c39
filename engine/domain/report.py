"""What the daily report tells: what was done in a day, by mailing, and why calls failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from engine.domain.window import MailingState


@dataclass(frozen=True, slots=True)
class Done:
    """What became of messages in that day."""

    sent: int = 0
    not_sent: int = 0
    deferred: int = 0
    """Calls after which the message is tried again."""
    delivered: int = 0
    """That arrived, as receipts say."""

    def __add__(self, other: Done) -> Done:
        return Done(
            self.sent + other.sent,
            self.not_sent + other.not_sent,
            self.deferred + other.deferred,
            self.delivered + other.delivered,
        )


@dataclass(frozen=True, slots=True)
class MailingDay:
    """A mailing of which something is to be told."""

    id: int
    title: str
    """Its name, else how its text begins."""
    state: MailingState
    """As it is now."""
    done: Done
    reasons: Mapping[str, int]
    """Of those that ended unsent in that day, as far as it was counted."""
    total: int
    """All its messages, and below how many of them wait or are sent by now."""
    pending: int
    sent: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Calls that did not end in an accepted message, by provider and answer."""

    provider: str
    http_status: int | None
    """``None``: no HTTP answer came."""
    calls: int


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a day."""

    date: date
    zone: str
    """The time zone in which that day was."""
    done: Done
    """By all mailings, those deleted since included."""
    reasons: Mapping[str, int]
    failures: tuple[Failure, ...]
    """The most frequent first."""
    mailings: tuple[MailingDay, ...]
    """Those that did most."""
    more: int
    """How many other mailings did something."""
    pending: int
    """Messages that wait by now, of all mailings."""
