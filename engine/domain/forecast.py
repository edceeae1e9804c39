"""When mailings will be done: what comes of their pending messages if nothing changes.

Messages are taken to flow evenly. Mailings that have something to send share the speed equally, and what one leaves
because of its own rate goes to the others. A mailing sends to the time zones whose local hours
are open, to each in proportion to what waits there. The shares change only when a mailing starts, ends or has nothing
left to send, and when hours open or close: between two such instants everything is a multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from typing import Final

from engine.domain.units import US_PER_SECOND
from engine.domain.window import LocalHours, next_close_us, next_open_us

_END: Final = -1
"""In the place of a zone's number: the mailing's end."""
_CRUMB: Final = 1e-6
"""What is left of a message by rounding."""
WORK_MAX: Final = 20_000
"""How many steps a forecast may take, each for one mailing or one opening: some 40 ms. What is not done then is carried
on at its speed so far, which is near enough: that is days ahead with two hundred mailings, and a year with one."""


SPEED_UNSEEN_MAX: Final = 1_000.0
"""Messages a second. Nobody believes that an engine reaches more before it was seen at full speed, however fast the
provider answers."""


def expected_speed(
    *, full_speed: float, call_seconds: float | None, workers: int, workers_of_all: int, limit: float
) -> float:
    """Return the speed, messages a second, that a mailing with the workers to itself may expect; 0: not known.

    Args:
        full_speed: what this engine was seen to send when all of its workers were busy; 0: it never was.
        call_seconds: how long the provider's answers took lately, in the mean; ``None``: there was no call.
        workers: this engine's.
        workers_of_all: those of all engines, this one included, which are taken to be as fast; 0: not known.
        limit: the provider's rate for all engines together, messages a second; 0: no limit.
    """
    own = full_speed or (min(SPEED_UNSEEN_MAX, workers / call_seconds) if call_seconds else 0.0)
    whole = own * max(1.0, workers_of_all / workers)
    return min(whole, limit) if whole and limit else whole or limit


@dataclass(frozen=True, slots=True)
class Load:
    """What a mailing still has to send."""

    pending: Mapping[tzinfo, int]
    """Messages by the client's time zone; without ``hours`` the zones make no difference."""
    start_us: int
    end_us: int
    hours: LocalHours | None = None
    rate_limit: float | None = None
    """Messages a second; ``None``: no limit of its own."""
    stuck: int = 0
    """Messages besides that nobody can send: they are no work, and the end finds them unsent."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will come of a mailing."""

    completion_us: int | None
    """When the last message is sent; ``None``: some won't be, none is pending, or the speed is not known."""
    missed: int
    """Messages still pending when the mailing ends. Where the speed is not known: those that no speed could save."""
    rate_per_second: float = 0.0
    """The mean speed while there is something to send; 0: not known."""
    next_open_us: int | None = None
    """When the first message can go out; ``None``: now, or never before the end."""
    next_open: int = 0
    """How many messages can go out from that instant on; 0: there is no such instant."""


def foretell(loads: Sequence[Load], speed: float, now_us: int) -> list[Forecast]:
    """Tell what comes of each load.

    Args:
        loads: all that share the workers.
        speed: messages a second, all together; 0: not known.
        now_us: the time. What is paused now must not be among the loads.
    """
    flows = [_Flow(load, now_us) for load in loads]
    known_speed = speed if speed > 0 else math.inf
    _run(flows, known_speed)
    return [flow.forecast(speed) for flow in flows]


@dataclass(slots=True)
class _Zone:
    """Messages for one time zone."""

    zone: tzinfo
    left: float
    """While the zone is open: to be multiplied with the flow's ``scale``."""
    is_open: bool = False


@dataclass(slots=True, eq=False)
class _Flow:
    """A load on its way. Times are microseconds since now: small numbers, which a float holds exactly."""

    load: Load
    now_us: int
    zones: list[_Zone] = field(init=False)
    pending: int = field(init=False)
    begin: float = field(init=False)
    end: float = field(init=False)
    cap: float = field(init=False)
    """Messages a second."""
    left: float = field(init=False)
    pool: float = 0.0
    """What of it can be sent now."""
    scale: float = 1.0
    """What share is left of what was in the open zones; one number in the place of one a zone."""
    busy: float = 0.0
    """For how long there was something to send."""
    share: float = 0.0
    done: float | None = None
    is_over: bool = False

    def __post_init__(self) -> None:
        load = self.load
        zones = load.pending.items() if load.hours is not None else [(UTC, sum(load.pending.values()))]
        self.zones = [_Zone(zone, float(number)) for zone, number in zones if number > 0]
        self.pending = sum(load.pending.values())
        self.left = float(self.pending)
        self.begin, self.end = max(0, load.start_us - self.now_us), load.end_us - self.now_us
        self.cap = math.inf if load.rate_limit is None else load.rate_limit
        self.is_over = self.begin >= self.end or not self.pending

    def opens(self, zone: _Zone, after: float) -> float:
        """When the zone is open, ``after`` or later."""
        return _opens_us(self.load.hours, zone.zone, self.now_us + round(after)) - self.now_us

    def closes(self, zone: _Zone, after: float) -> float:
        """When the zone, open at ``after``, closes."""
        return _closes_us(self.load.hours, zone.zone, self.now_us + round(after)) - self.now_us

    def toggle(self, zone: _Zone, at: float) -> float:
        """Open a closed zone, close an open one; return when that is undone."""
        if zone.is_open:
            zone.left *= self.scale
            self.pool -= zone.left
        else:
            self.pool += zone.left
            zone.left /= self.scale
        zone.is_open = not zone.is_open
        if self.pool < _CRUMB:
            self.drain(at)
        if zone.is_open:
            return self.closes(zone, at)
        return self.opens(zone, at) if zone.left > 0 else math.inf

    def dry(self, at: float) -> float:
        """When the pool is empty at the present share, which is 0 where the speed is too small to be divided."""
        return at + self.pool / self.share * US_PER_SECOND if self.share > 0 else math.inf

    def send(self, seconds: float) -> None:
        """Send at the present share for that time, in which the pool does not run dry."""
        before, number = self.pool, self.share * seconds
        self.pool -= number
        self.left -= number
        self.scale *= self.pool / before
        self.busy += seconds

    def drain(self, at: float) -> None:
        """Nothing is left in the open zones."""
        self.left -= self.pool
        self.pool, self.scale = 0.0, 1.0
        for zone in self.zones:
            if zone.is_open:
                zone.left = 0.0
        if self.left < _CRUMB:
            self.left, self.is_over, self.done = 0.0, True, at

    def stop(self, at: float) -> None:
        """The end: what is left is missed, but for crumbs."""
        self.is_over = True
        if self.done is None and self.left < _CRUMB + 1e-9 * self.pending:
            self.left, self.done = 0.0, at

    def carry_on(self, at: float) -> None:
        """Go on evenly from here to the end, at the mean speed so far."""
        if self.is_over or at <= self.begin:
            return
        speed = (self.pending - self.left) / (at - self.begin)
        if speed > 0 and at + self.left / speed <= self.end:
            self.done, self.left = at + self.left / speed, 0.0
        else:
            self.left -= speed * (self.end - at)

    def forecast(self, speed: float) -> Forecast:
        """What has come of it."""
        sent = self.pending - self.left
        rate = sent / self.busy if self.busy > 0 else min(speed, self.cap) if speed > 0 else self.cap
        known = speed > 0 or math.isfinite(self.cap)
        done = self.done if self.pending and known and not self.load.stuck else None
        first, number = self._first()
        return Forecast(
            None if done is None else self.now_us + min(math.ceil(done), round(self.end)),
            self.load.stuck + (0 if self.done is not None else self.pending - math.floor(sent + _CRUMB)),
            float(f"{rate:.9g}") if known and math.isfinite(rate) else speed if known else 0.0,
            first,
            number,
        )

    def _first(self) -> tuple[int | None, int]:
        """When the first messages can go out, and how many do; not in the future, or not before the end: None and 0."""
        opens = {zone.zone: self.opens(zone, self.begin) for zone in self.zones}
        first = min(opens.values(), default=0)
        if not 0 < first < self.end:
            return None, 0
        if self.load.hours is None:
            return self.now_us + round(first), self.pending
        return self.now_us + round(first), sum(self.load.pending[zone] for zone, at in opens.items() if at == first)


def _run(flows: Sequence[_Flow], speed: float) -> None:
    events: list[tuple[float, int, int]] = []
    for number, flow in enumerate(flows):
        if not flow.is_over:
            events.append((flow.end, number, _END))
            events += [(flow.opens(zone, flow.begin), number, each) for each, zone in enumerate(flow.zones)]
    heapify(events)
    at, work = 0.0, 0
    active: list[_Flow] = []
    while events and work < WORK_MAX:
        sending = [flow for flow in flows if flow.pool > 0 and not flow.is_over]
        if sending != active:
            active = sending
            _share(active, speed)
        next_us = events[0][0]
        until = min(next_us, min([flow.dry(at) for flow in active], default=next_us))
        _flow(active, at, until)
        at = until
        work += 1 + len(active)
        while events and events[0][0] <= at:
            work += 1
            _meet(flows, events)
        while events and flows[events[0][1]].is_over:
            heappop(events)
    for flow in flows:
        flow.carry_on(at)


def _flow(active: Sequence[_Flow], at: float, until: float) -> None:
    for flow in active:
        if flow.dry(at) <= until:
            flow.busy += flow.pool / flow.share
            flow.drain(until)
        else:
            flow.send((until - at) / US_PER_SECOND)


def _meet(flows: Sequence[_Flow], events: list[tuple[float, int, int]]) -> None:
    """What happens next: an end, or hours that open or close."""
    at, number, each = events[0]
    flow = flows[number]
    if each != _END and not flow.is_over and (then := flow.toggle(flow.zones[each], at)) < flow.end:
        heapreplace(events, (then, number, each))
        return
    heappop(events)
    if each == _END:
        flow.stop(at)


def _share(active: Sequence[_Flow], speed: float) -> None:
    """An equal share each; what a mailing's own rate makes it leave is for the others."""
    left, room = len(active), speed
    for flow in sorted(active, key=lambda each: each.cap):
        flow.share = min(flow.cap, room / left)
        room -= flow.share if math.isfinite(flow.share) else 0.0
        left -= 1


@lru_cache(maxsize=16_384)
def _opens_us(hours: LocalHours | None, zone: tzinfo, at_us: int) -> int:
    return next_open_us(hours, zone, at_us)


@lru_cache(maxsize=16_384)
def _closes_us(hours: LocalHours | None, zone: tzinfo, at_us: int) -> float:
    return next_close_us(hours, zone, at_us)
