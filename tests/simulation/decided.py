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
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import is_decided
from tests.simulation.asked import Client, Mailing
from tests.simulation.history import NEVER_US, Span
from tests.simulation.snapshots import Snapshots

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """An audience that clients no longer change."""

    filters: Sequence[AudienceFilter]
    begun_us: int
    done_us: int
    late_us: int
    """Who came after this is not in it."""
    slack_us: int
    """How far two clocks may be apart."""
    snapshots: Snapshots

    def may_have(self, client: Client) -> bool:
        """Whether this client may be in it."""
        if client.create_us > self.late_us + self.slack_us:
            return False
        filters = [filter for filter in self.filters if self.snapshots.may_have(filter, client.id)]
        was = self._was(client)
        return any(any(filter.among([Candidate.of(client.id, one)])) for filter in filters for one in was)

    def must_have(self, client: Client) -> bool:
        """Whether this client is in it, unless it had a number that was told."""
        was = self._was(client)
        came = client.create_us < self.begun_us - self.slack_us and client.known_us < self.begun_us
        return came and all(
            any(filter.among([Candidate.of(client.id, one)]))
            and self.snapshots.must_have(filter, client.id, client.was.between(0, NEVER_US))
            for filter in self.filters
            for one in was
        )

    def _was(self, client: Client) -> list[ClientInput]:
        return client.was.between(self.begun_us - self.slack_us, self.done_us + self.slack_us)


def decision(
    mailing: Mailing, built_us: Sequence[int], at_us: int, snapshots: Snapshots, slack_us: int = 0
) -> Decision | None:
    """What was decided by then; ``None``: the audience is live.

    Args:
        mailing: whose audience.
        built_us: when it was complete.
        at_us: the time.
        snapshots: whom the filters meant.
        slack_us: how far two clocks may be apart.
    """
    plans, filters = mailing.plans.at(at_us), mailing.filters.at(at_us)
    if not any(is_decided(plan.audience_fixed, plan.start_us, at_us + slack_us) for plan in plans):
        return None
    if len(plans) > 1 or len(filters) > 1:
        return Decision(filters, 0, at_us, NEVER_US, slack_us, snapshots)
    edits = _edits(mailing.filters.until(at_us), lambda filter: filter)
    moves = _edits(mailing.plans.until(at_us), _kind)
    rebuilds = _edits(mailing.plans.until(at_us), _built_for)
    asked_us = [*(new.since_us for _, new in edits), *(new.since_us for _, new in moves)]
    begun_us = max([plans[0].start_us, *asked_us])
    settled_us = max([0, *(old.until_us for old, _ in edits), *(old.until_us for old, _ in rebuilds)])
    complete_us = min((each for each in built_us if each >= settled_us), default=at_us)
    done_us = min(max(begun_us, complete_us), at_us)
    return Decision(filters, begun_us, done_us, max(begun_us, settled_us), slack_us, snapshots)


def _edits(spans: Sequence[Span[T]], key: Callable[[T], object]) -> list[tuple[Span[T], Span[T]]]:
    """Before and after each edit that changes the key."""
    return [(old, new) for old, new in pairwise(spans) if key(old.value) != key(new.value)]


def _kind(plan: MailingInput) -> object:
    return plan.audience_fixed, plan.start_us


def _built_for(plan: MailingInput) -> object:
    """Another one of these may lead to its being built again."""
    return _kind(plan), plan.local_hours
