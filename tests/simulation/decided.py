"""When a fixed audience was decided, and who may be in it then.

It is decided from the start on, or from the edit that made it so. Until it has been built, clients count as they are
when their turn comes. Where an edit is under way, or nobody knows whether it came about, anything may be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from engine.domain.audience import AudienceFilter, Candidate
from engine.domain.validate import MailingInput
from engine.domain.window import is_decided
from tests.simulation.history import NEVER_US, Span
from tests.simulation.life import Client, Mailing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """An audience that clients no longer change."""

    filters: Sequence[AudienceFilter]
    begun_us: int
    done_us: int
    late_us: int
    """Who came after this is not in it."""

    def may_have(self, client: Client) -> bool:
        """Whether this client may be in it."""
        if client.create_us > self.late_us:
            return False
        was = client.was.between(self.begun_us, self.done_us)
        return any(any(filter.among([Candidate.of(client.id, one)])) for filter in self.filters for one in was)

    def must_have(self, client: Client) -> bool:
        """Whether this client is in it, unless it had a number that was told."""
        was = client.was.between(self.begun_us, self.done_us)
        return client.create_us < self.begun_us and all(
            any(filter.among([Candidate.of(client.id, one)])) for filter in self.filters for one in was
        )


def decision(mailing: Mailing, built_us: Sequence[int], at_us: int) -> Decision | None:
    """What was decided by then; ``None``: the audience is live.

    Args:
        built_us: when it was complete.
    """
    plans, filters = mailing.plans.at(at_us), mailing.filters.at(at_us)
    if not any(is_decided(plan.audience_fixed, plan.start_us, at_us) for plan in plans):
        return None
    if len(plans) > 1 or len(filters) > 1:
        return Decision(filters, 0, at_us, NEVER_US)
    edits = _edits(mailing.filters.until(at_us), lambda filter: filter)
    moves = _edits(mailing.plans.until(at_us), _kind)
    rebuilds = _edits(mailing.plans.until(at_us), _built_for)
    asked_us = [*(new.since_us for _, new in edits), *(new.since_us for _, new in moves)]
    begun_us = max([plans[0].start_us, *asked_us])
    settled_us = max([0, *(old.until_us for old, _ in edits), *(old.until_us for old, _ in rebuilds)])
    complete_us = min((each for each in built_us if each >= settled_us), default=at_us)
    return Decision(filters, begun_us, min(max(begun_us, complete_us), at_us), max(begun_us, settled_us))


def _edits(spans: Sequence[Span[T]], key: Callable[[T], object]) -> list[tuple[Span[T], Span[T]]]:
    """Before and after each edit that changes the key."""
    return [(old, new) for old, new in pairwise(spans) if key(old.value) != key(new.value)]


def _kind(plan: MailingInput) -> object:
    return plan.audience_fixed, plan.start_us


def _built_for(plan: MailingInput) -> object:
    """Another one of these may lead to its being built again."""
    return _kind(plan), plan.local_hours
