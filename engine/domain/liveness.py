"""Whether work moves: what waits, what explains that it waits, and for how long nothing has moved.

"Every part is well" means nothing when nothing moves. So each thing that must move is followed by itself: while there
is something to move and no reason to wait, its progress must change within ``STALL_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.domain.units import US_PER_SECOND

STALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class View:
    """Delivery as seen at one moment. What is counted is counted since the start: it shows progress by changing."""

    changes: int = 0
    """Transactions that changed something and were committed; the heartbeat is one, every few seconds."""
    asked: int | None = None
    """A number for the oldest question to the database that is not answered; ``None``: there is none."""
    ticker_answers: int = 0
    """How often the store has answered the ticker: which mailings there are, what is due, what it may have."""
    tick_seconds: float = 0.0
    """How long the ticker rests in between, at most."""
    outcomes: int = 0
    """Outcomes and returned claims that are not stored."""
    stored: int = 0
    queued: int = 0
    """Claims that wait in the queue, though a slot is free."""
    taken: int = 0
    calls: int = 0
    """Calls that go on."""
    call_seconds: float = 0.0
    """How long one may take."""
    due: bool = False
    """A mailing that may send has due messages, none of which is in the queue."""
    due_since_us: int | None = None
    """Since when the one that is due for longest has been so without a break; ``None``: no view has seen it yet."""
    claimed: int = 0
    ended: bool = False
    """A mailing that is over or cancelled has messages left."""
    swept: int = 0
    building: bool = False
    """An audience is to be built, or a deleted mailing to be removed."""
    built: int = 0
    forgotten: bool = False
    """The other engines take this one for dead, and leave it no share of any rate."""
    stopping: bool = False
    claims_held: str = ""
    """Why nothing may be claimed: the operator's switch, the breaker, ``Retry-After``, a full queue; or empty."""
    calls_held: str = ""
    """Why no call may begin: the same, or a rate."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must move while it waits, unless a reason holds it."""

    part: str
    words: str
    """What has not happened, to be followed by "for 12 s"."""
    waits: bool
    progress: object
    held: str = ""
    patience_seconds: float = STALL_SECONDS


@dataclass(frozen=True, slots=True)
class Stall:
    """Something that has not moved for too long."""

    part: str
    words: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.words} for {self.seconds:.0f} s"


def needs(view: View) -> Iterator[Need]:
    """Everything that must move, in the order in which one holds up the next."""
    v = view
    yield Need("database", "nothing could be stored", True, v.changes)
    yield Need("database", "the database has not answered", v.asked is not None, v.asked)
    yield Need("leases", "restart this engine: the others have taken it for dead", v.forgotten, None)
    yield Need("recorder", "outcomes have waited for the database", v.outcomes > 0, v.stored)
    yield Need(
        "workers",
        "no call has ended, though its time is over,",
        v.calls > 0,
        (v.calls, v.taken),
        patience_seconds=v.call_seconds + STALL_SECONDS,
    )
    yield Need("workers", "claimed messages have waited for a worker", v.queued > 0, v.taken, v.calls_held)
    tick_seconds = v.tick_seconds + STALL_SECONDS
    yield Need("ticker", "mailings have not been looked at", True, v.ticker_answers, patience_seconds=tick_seconds)
    yield Need("ticker", "due messages have not been claimed", v.due, (v.claimed, v.due_since_us), v.claims_held)
    yield Need("ticker", "ended mailings have kept their messages", v.ended, v.swept)
    yield Need("audience_builder", "an audience has not grown", v.building, v.built, patience_seconds=tick_seconds)


class Watch:
    """Follows the views of one engine."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, int]] = {}

    def follow(self, view: View, now_us: int) -> list[Stall]:
        """What has stalled; ``now_us``: of a clock that only runs forward.

        A need counts from the first view in which it waits at this progress. Two views may be far apart: a need that
        moved between them has not stalled.
        """
        seen, self._seen = self._seen, {}
        return [] if view.stopping else [stall for need in needs(view) if (stall := self._of(need, seen, now_us))]

    def _of(self, need: Need, seen: dict[str, tuple[object, int]], now_us: int) -> Stall | None:
        if not need.waits or need.held:
            return None
        progress, since_us = seen.get(need.words, (None, now_us))
        if progress != need.progress:
            since_us = now_us
        self._seen[need.words] = (need.progress, since_us)
        seconds = (now_us - since_us) / US_PER_SECOND
        return Stall(need.part, need.words, seconds) if seconds >= need.patience_seconds else None
