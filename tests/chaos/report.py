"""What a campaign found, judged, and told in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.arrivals import Arrivals, Call, Span, longest_gap
from tests.chaos.probe import Answer
from tests.crash.processes import Rows

STALL_SECONDS = 3.0
"""So long may an engine that is well do nothing because another one is not."""
RECOVERY_SECONDS = 5.0
"""So long after its cause is gone may a trouble last."""
EXIT_SECONDS = 1.0
"""So much later than its limit may a stop end."""
LINES_A_MINUTE = 60
_STORE_SECONDS = 2.0
"""An answered call is stored within this time, on a busy machine too: one that is older was not in flight."""
_AFTER_SECONDS = 0.5
"""What was sent just before an end is read by the provider so much later at most."""
_MARGIN_SECONDS = 0.5
"""What is measured from outside is so much later, and later still on a machine as busy as our own lag shows."""


@dataclass(slots=True)
class Event:
    """One fault, and whom it hit."""

    kind: str
    engines: frozenset[int]
    began: float
    ended: float = float("inf")
    """When its cause was gone: thawed, started again, reachable again."""
    is_outage: bool = False
    """The database was away: what is in flight stays so until it ends."""
    died: float | None = None
    """Of an outage that the engines did not outlive: when they were dead. What was started again meanwhile is well, and
    its calls are cut off by whatever comes next."""
    in_transaction: bool = False
    limit_seconds: float | None = None
    """Of a stop."""
    exit_seconds: float | None = None
    unready_seconds: float | None = None
    """After this time ``/readyz`` said so."""
    must_be_unready: bool = False

    @property
    def last_cut(self) -> float:
        """When it cut off calls for the last time."""
        if not self.is_outage:
            return self.began
        return self.ended if self.died is None else self.died

    def excuses(self, call: Call, latency_seconds: float, lag_seconds: float) -> bool:
        """Whether this call may have been in flight; ``lag_seconds``: how late anything may be on a busy machine."""
        end = self.last_cut
        begin = self.began - latency_seconds - _STORE_SECONDS - lag_seconds
        return call.engine in self.engines and begin <= call.at <= end + _AFTER_SECONDS + lag_seconds


@dataclass(slots=True)
class Report:
    """Facts first; ``faults`` judges them."""

    slots: int
    latency_seconds: float
    """The provider's slowest answer."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    begun: list[Call] = field(default_factory=list)
    """When engines began their calls, where they note it (``noting``)."""
    events: list[Event] = field(default_factory=list)
    began: float = 0.0
    quiet: float = 0.0
    """When feeding ended: from then on engines may have nothing to do."""
    ended: float = 0.0
    lag_seconds: float = 0.0
    """How late this process itself was at most: what it says of times is no better than that."""
    dry: list[Span] = field(default_factory=list)
    """Times when there was too little work for all."""
    registered: int = 0
    """Messages that there must be."""
    rows: Rows | None = None
    checks: list[str] = field(default_factory=list)
    deadlocks: int = 0
    died: list[str] = field(default_factory=list)
    """Engines that ended by themselves, with their last words."""
    other_exits: list[tuple[float, float]] = field(default_factory=list)
    """Of the stops at the end, and of those that belong to another fault: limit and time taken."""
    lines: dict[int, list[float]] = field(default_factory=dict)
    """When each engine wrote a line into its log."""
    counts_lines: bool = False
    answers: list[Answer] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    """Further figures of a campaign."""
    broken: list[str] = field(default_factory=list)
    """Further violations."""
    engines: int = 1
    stall_seconds: float = STALL_SECONDS
    recovery_seconds: float = RECOVERY_SECONDS

    @property
    def margin_seconds(self) -> float:
        """What a busy machine adds to any time that is measured from outside."""
        return _MARGIN_SECONDS + 2 * self.lag_seconds

    # -- facts ---------------------------------------------------------------------------------
    def repeats(self) -> tuple[Counter[tuple[int, int]], list[tuple[Call, Call]]]:
        """How many messages were called twice because of each (event, engine), and those that no event explains."""
        explained: Counter[tuple[int, int]] = Counter()
        strays = []
        for before, again in self.arrivals.repeats():
            number = self._cause(before, again)
            if number is None:
                strays.append((before, again))
            else:
                explained[number, before.engine] += 1
        return explained, strays

    def _cause(self, before: Call, again: Call) -> int | None:
        """The first event that was not over when the call came: what that one has cut off, no later one can."""
        excusing = [
            number
            for number, event in enumerate(self.events)
            if event.began <= again.at and event.excuses(before, self.latency_seconds, self.lag_seconds)
        ]
        under_way = [number for number in excusing if self._lasts_until(self.events[number], before.at)]
        return next(iter(under_way or excusing[-1:]), None)

    def _lasts_until(self, event: Event, at: float) -> bool:
        return (event.ended if event.died is None else event.died) >= at

    def recoveries(self) -> list[tuple[float, int, Event]]:
        """How long after its end each event was felt by each engine that it had hit."""
        found = []
        for event in self.events:
            for engine in event.engines:
                if event.ended > self.quiet or self._is_hit_again(event, engine):
                    continue
                first = self.arrivals.first_after(engine, event.ended)
                found.append(((self.ended if first is None else first) - event.ended, engine, event))
        return found

    def _is_hit_again(self, event: Event, engine: int) -> bool:
        """Before it could recover: then the later event tells."""
        return any(
            other is not event and engine in other.engines and other.began <= event.ended + self.recovery_seconds
            and other.ended > event.ended
            for other in self.events
        )  # fmt: skip

    def stalls(self) -> list[tuple[float, int, Span]]:
        """The longest time in which each engine did nothing, though it was well and there was work."""
        found = []
        for engine in range(self.engines):
            hit = [self._felt(event, engine) for event in self.events if engine in event.engines]
            span = longest_gap(self.arrivals.times(engine), self.began, self.quiet, [*self.dry, *hit])
            found.append((span[1] - span[0], engine, span))
        return found

    def _felt(self, event: Event, engine: int) -> Span:
        """From its beginning until the engine that it hit was back: that time is ``recoveries``' business."""
        first = self.arrivals.first_after(engine, event.ended) if event.ended < self.ended else None
        return event.began, self.ended if first is None else first

    def lines_a_minute(self) -> int:
        """Most lines that an engine wrote within a minute."""
        most = 0
        for times in self.lines.values():
            first = 0
            for last, at in enumerate(times):
                while at - times[first] > 60:
                    first += 1
                most = max(most, last - first + 1)
        return most

    def exits(self) -> list[tuple[float, float]]:
        """Limit and time taken of each stop."""
        stops = [(e.limit_seconds, e.exit_seconds) for e in self.events]
        return [(a, b) for a, b in stops if a is not None and b is not None] + self.other_exits

    # -- the verdict ---------------------------------------------------------------------------
    def faults(self) -> list[str]:
        """Violations, in words."""
        return [*self._lost(), *self._repeated(), *self._late(), *self._talk(), *self.broken]

    def _lost(self) -> Iterator[str]:
        assert self.rows is not None
        rows = self.rows
        known = len(rows.sent) + len(rows.uncertain)
        if self.registered >= 0 and known != self.registered:
            yield (
                f"{self.registered} messages were registered: {len(rows.sent)} sent, {len(rows.uncertain)} uncertain,"
                f" {len(rows.others)} neither, {len(rows.claimed)} claimed"
            )
        if untold := rows.sent - self.arrivals.ids:
            yield f"{len(untold)} messages are stored as sent and never reached the provider"
        yield from (f"check: {check}" for check in self.checks)
        if rows.damage:
            yield f"the database is damaged: {rows.damage}"
        if self.deadlocks:
            yield f"{self.deadlocks} deadlocks"
        yield from (f"an engine ended by itself: {died}" for died in self.died)

    def _repeated(self) -> Iterator[str]:
        explained, strays = self.repeats()
        if strays:
            examples = "; ".join(
                f"message {before.message_id}: engine {before.engine} at {self._at(before.at)},"
                f" engine {again.engine} at {self._at(again.at)}"
                for before, again in strays[:3]
            )
            yield f"{len(strays)} calls were made twice without having been in flight at an event: {examples}"
        for (number, engine), count in sorted(explained.items()):
            if count > self.slots:
                yield f"{self._name(number)}: {count} calls of engine {engine} were made twice, of {self.slots} slots"

    def _late(self) -> Iterator[str]:
        for seconds, engine, span in self.stalls():
            if seconds > self.stall_seconds + self.margin_seconds:
                yield f"engine {engine}, which was well, did nothing for {seconds:.1f} s from {self._at(span[0])}"
        for seconds, engine, event in self.recoveries():
            if seconds > self.recovery_seconds + self.margin_seconds:
                name = self._name(self.events.index(event))
                yield f"{name}: engine {engine} was back {seconds:.1f} s after its end"
        for limit, seconds in self.exits():
            if seconds > limit + EXIT_SECONDS + 2 * self.lag_seconds:
                yield f"a stop with a limit of {limit:g} s took {seconds:.1f} s"
        for number, event in enumerate(self.events):
            unready = event.unready_seconds
            if event.must_be_unready and (unready is None or unready > RECOVERY_SECONDS + self.margin_seconds):
                said = "never" if unready is None else f"after {unready:.1f} s"
                yield f"{self._name(number)}: /readyz said so {said}"

    def _talk(self) -> Iterator[str]:
        if self.counts_lines and (most := self.lines_a_minute()) > LINES_A_MINUTE:
            yield f"{most} log lines of one engine within a minute"
        bad = Counter(answer.words for answer in self.answers if not answer.is_honest)
        for words, count in bad.most_common():
            yield f"{count} calls of the API were answered with {words}"

    def _name(self, number: int) -> str:
        event = self.events[number]
        return f"event {number + 1} ({event.kind} at {self._at(event.began)}, {event.ended - event.began:.1f} s)"

    def _at(self, at: float) -> str:
        return f"{at - self.began:.2f} s"

    # -- figures -------------------------------------------------------------------------------
    def figures(self) -> dict[str, str]:
        """What was counted and measured."""
        explained, strays = self.repeats()
        assert self.rows is not None
        lost = max(0, self.registered - len(self.rows.sent) - len(self.rows.uncertain))
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(e.kind for e in self.events).items())
        recovery = max((seconds for seconds, *_ in self.recoveries()), default=0.0)
        figures = {
            "events": f"{len(self.events)} ({kinds})",
            "messages": f"{len(self.rows.sent)} sent, {len(self.arrivals.calls)} calls,"
            f" in {self.ended - self.began:.0f} s",
            "lost": str(lost),
            "wrong counters": str(len(self.checks)),
            "repeats": f"{explained.total() + len(strays)}, at most {max(explained.values(), default=0)} of an engine"
            f" at an event, of {self.slots} slots; {len(strays)} unexplained",
            "stall": f"{max(seconds for seconds, *_ in self.stalls()):.2f} s at most",
            "recovery": f"{recovery:.2f} s at most",
            "exit": ", ".join(self._exit(limit) for limit in sorted({limit for limit, _ in self.exits()})),
            "deadlocks": str(self.deadlocks),
            "own lag": f"{self.lag_seconds:.2f} s at most",
        }
        if self.counts_lines:
            figures["log lines"] = f"{self.lines_a_minute()} a minute and engine at most"
        if self.answers:
            figures["API"] = self._answered()
        if unready := [event.unready_seconds for event in self.events if event.unready_seconds is not None]:
            figures["unready"] = f"{max(unready):.1f} s after the cause at most"
        return figures | self.more

    def _exit(self, limit: float) -> str:
        taken = [seconds for each, seconds in self.exits() if each == limit]
        return f"{max(taken):.2f} s of {limit:g} s ({len(taken)})"

    def _answered(self) -> str:
        counts = Counter(answer.status for answer in self.answers)
        slowest = max(answer.seconds for answer in self.answers)
        return ", ".join(f"{count} x {status or 'none'}" for status, count in counts.items()) + f"; {slowest:.1f} s"
