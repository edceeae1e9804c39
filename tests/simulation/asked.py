"""What people have asked for: mailings and clients, to be compared with what happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from tests.simulation.history import NEVER_US, History


@dataclass(slots=True)
class Mailing:
    """What was asked for, to be compared with what happened."""

    id: int
    asked: MailingInput
    pauses: list[list[int]] = field(default_factory=list)
    cancelled_us: int | None = None
    filters: History[AudienceFilter] = field(init=False)
    plans: History[MailingInput] = field(init=False)
    """All but the filter."""

    def __post_init__(self) -> None:
        self.filters = History(self.asked.filter, 0)
        self.plans = History(self.asked, 0)

    @property
    def first_end_us(self) -> int:
        """The earliest end that it ever had."""
        return min(plan.end_us for plan in self.plans.between(0, NEVER_US))


@dataclass(slots=True)
class Client:
    """One client, and until when it may be called."""

    id: int
    given: ClientInput
    since_us: int
    create_us: int = 0
    known_us: int = 0
    """When somebody was told of it."""
    deleted_us: int | None = None
    is_deleted: bool = False
    was: History[ClientInput] = field(init=False)

    def __post_init__(self) -> None:
        self.was = History(self.given, self.since_us)
