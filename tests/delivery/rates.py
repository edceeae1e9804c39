"""Rates across freezes, stalls, late timers, slow marks, and engines that come and go, in virtual time.

    python -m tests.delivery.rates --windows 1000000

Queue, gate, book, shares and worker are the engine's own; store and provider are played. Engines have no memory in
common, only a timetable (who lives, what the rate is, when each of them hears of it), so each one lives alone in a loop
of its own, and the calls of all are laid side by side afterwards. A window is a second that begins with a call.

Exit codes: 0 no window was over the rate and nobody's rate was idle, 1 one was (its seed is printed).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, cast

from engine.delivery.gate import STALE_SECONDS
from engine.delivery.line import Supplier
from engine.delivery.marker import Marker
from engine.delivery.recorder import Recorder
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.state import State
from engine.delivery.worker import Worker
from engine.domain.outcome import Answer
from engine.domain.pacing import rate_share
from engine.domain.routing import FBRQ_ID
from engine.ports import Abilities, Claim, OnUncertain, Request, Return
from tests.delivery.plans import a_claim, a_plan
from tests.simulation.loop import VirtualClock, VirtualLoop

SECOND_US = 1_000_000
WAY_SECONDS = 0.009
"""A call takes up to so long to the provider's door while its process is awake."""
STALL_SECONDS = 0.02
"""A standstill of less is not noticed, and need not be."""
USED_MIN = 0.95
"""Of its rate an engine uses at least so much of the time in which it is awake."""
WORKERS = 64
"""Enough for the highest rate: a call takes 45 ms in the mean, with a mark before it."""
_READ_SECONDS = 0.1
_PROGRESS_LIVES = 100
_RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 10.0, 30.0, 30.0, 100.0, 500.0)


@dataclass(frozen=True)
class Engine:
    """When it starts and when it is killed, in seconds."""

    number: int
    start: float
    end: float


@dataclass(frozen=True)
class Timetable:
    """One life."""

    seed: int
    seconds: float
    rates: Sequence[tuple[float, float]]
    """From when on which rate is asked for."""
    engines: Sequence[Engine]
    freezes_a_minute: float
    by_mailing: bool
    """The rate is a mailing's, not the provider's."""
    marked: bool
    """A mark is stored before each call."""

    def control(self, at: float) -> tuple[float, tuple[int, ...]]:
        """What the control record says: the rate, and who lives."""
        rate = [rate for since, rate in self.rates if since <= at][-1]
        return rate, tuple(engine.number for engine in self.engines if engine.start <= at < engine.end)


def a_timetable(seed: int, *, steady: bool) -> Timetable:
    """A life drawn from its seed; a ``steady`` one has one rate and the same engines, and every second of them no
    freeze."""
    random = Random(seed)
    rate, several = random.choice(_RATES), random.choice((1, 2, 4))
    seconds = max(20.0, min(120.0, 600 / rate))
    rates, lives = [(0.0, rate)], [(0.0, seconds)] * several
    if not steady:
        rates += sorted((random.uniform(3, seconds), random.choice(_RATES)) for _ in range(random.choice((0, 0, 2))))
        if several > 1:
            lives[-1] = (random.uniform(3, seconds / 2), seconds)
            lives[0] = (0.0, random.uniform(3, seconds))
    engines = [Engine(number, *life) for number, life in enumerate(lives)]
    freezes = random.choice((0.0, 0.0, 0.0, 5.0, 60.0, 300.0) if steady else (0.0, 5.0, 60.0, 300.0))
    return Timetable(seed, seconds, rates, engines, freezes, random.random() < 0.5, random.random() < 0.25)


class FreezingClock(VirtualClock):
    """Now and then a look at it takes long: the process stood still before or after it."""

    def __init__(self, loop: VirtualLoop, random: Random, chance: float) -> None:
        super().__init__(loop)
        self._virtual_loop, self._random, self.chance = loop, random, chance
        self.frozen_seconds = 0.0

    def monotonic_us(self) -> int:
        if self._random.random() >= self.chance:
            return super().monotonic_us()
        before = self._random.random() < 0.5
        if before:
            self.freeze()
        read_us = super().monotonic_us()
        if not before:
            self.freeze()
        return read_us

    def freeze(self) -> None:
        """Time passes, and nobody sees it: mostly a little, sometimes for seconds."""
        long = self._random.random() < 0.3
        seconds = self._random.uniform(0.02, 4) if long else self._random.uniform(0, STALL_SECONDS)
        self._virtual_loop.pass_time(seconds)
        self.frozen_seconds += seconds


class Arrival(NamedTuple):
    """A call at the provider's door, in microseconds."""

    at_us: int
    begun_us: int
    """When it left the engine. It can't be taken back, however long its process stands still afterwards."""


@dataclass
class Rig:
    """One engine with a provider that notes when calls are at its door."""

    loop: VirtualLoop
    table: Timetable
    engine: Engine
    random: Random
    abilities: Abilities = field(default_factory=Abilities)
    arrivals: list[Arrival] = field(default_factory=list)
    awake_seconds: list[float] = field(default_factory=list)
    """For each arrival, for how long the process had been awake by then."""
    ended_seconds: float = 0.0
    """For how long it was awake in all."""

    def __post_init__(self) -> None:
        """Make the engine's parts."""
        table = self.table
        calls = len(table.engines) * 10 * max(rate for _, rate in table.rates)
        # About as many looks at the clock as ten a call.
        chance = table.freezes_a_minute / 60 / calls if calls else 0.0
        self.clock = FreezingClock(self.loop, self.random, chance)
        settings = DeliverySettings(workers=WORKERS, queue_size=2000, lease_seconds=40)
        supplier = Supplier.alone(cast(Any, self), settings)
        state = State(self.engine.number, SharedClock(self.clock), settings, {FBRQ_ID: supplier}, Random(1))
        (line,) = state.lines
        self.gate, self.book, self.queue, self.shares = line.gate, state.book, line.queue, state.shares
        state.bell.ring, state.bell.ring_for_work = self.go_on, self.fill  # type: ignore[method-assign]
        self._next_id, self._fresh_until_us = 1, 0
        self.worker = Worker(
            state,
            line,
            marker=cast(Marker, self),
            recorder=cast(Recorder, self),
            random=Random(1),
        )

    # -- played parts ----------------------------------------------------------------------------
    def fill(self) -> None:
        """The ticker: there is always work, but none is claimed of a mailing that may not send."""
        entry = self.book.get(1)
        if entry is not None and entry.may_send(self.clock.now_us()) and len(self.queue) < 100:
            self.queue.put(1, [a_claim(self._next_id + i) for i in range(200)])
            self._next_id += 200

    def go_on(self) -> None:
        """The bell: what may not be sent goes back, and those who wait look again."""
        entry = self.book.get(1)
        if entry is not None and not entry.may_send(self.clock.now_us()):
            self.queue.withdraw(lambda _: True)
        self.fill()
        self.queue.wake(self.queue.workers)

    async def mark(self, claim: Claim) -> bool:
        """The marker."""
        await asyncio.sleep(self.random.uniform(0.001, 0.03))
        return True

    def put(self, record: object) -> None:
        """The recorder: an outcome."""
        self.queue.free(1)

    def give_back(self, claims: Collection[Return], *, slots: int = 0) -> None:
        """The recorder: a claim that was not called."""
        self.queue.free(slots)

    async def send(self, request: Request) -> Answer:
        """The provider. On its way a call stands still with the process, for it is a timer in the same loop."""
        begun_us = self._at_us()
        if self.random.random() < self.clock.chance * 3:
            self.clock.freeze()
        await asyncio.sleep(self.random.uniform(0, WAY_SECONDS))
        self.arrivals.append(Arrival(self._at_us(), begun_us))
        self.awake_seconds.append(self.loop.time() - self.clock.frozen_seconds)
        await asyncio.sleep(self.random.uniform(0, 0.05))
        return Answer(200, True, "")

    def _at_us(self) -> int:
        return round((self.loop.time() + self.engine.start) * SECOND_US)

    # -- its life --------------------------------------------------------------------------------
    async def live(self) -> None:
        """From its start to its end; its loop's time is 0 at the start."""
        workers = [asyncio.ensure_future(self.worker.run(number)) for number in range(1, WORKERS + 1)]
        await self.follow()
        self.ended_seconds = self.loop.time() - self.clock.frozen_seconds
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def follow(self) -> None:
        """The lease keeper: act by the control record, as long as it is fresh."""
        seen = None
        self.gate.watch(lambda: self.clock.now_us() >= self._fresh_until_us)
        while (at := self.engine.start + self.loop.time()) < self.engine.end:
            read_us, control = self.clock.now_us(), self.table.control(at)
            if control != seen:
                self.hear(*control)
                seen = control
            self._fresh_until_us = read_us + int(STALE_SECONDS * SECOND_US)
            self.go_on()
            await asyncio.sleep(_READ_SECONDS)

    def hear(self, rate: float, who: tuple[int, ...]) -> None:
        """The control record says something new."""
        policy = OnUncertain.NOT_SENT if self.table.marked else OnUncertain.RESEND
        self.book.load([a_plan(1, rate_limit=rate if self.table.by_mailing else None, on_uncertain=policy)])
        self.shares.divide([0.0 if self.table.by_mailing else rate], self.engine.number, who)


def lives(table: Timetable) -> list[Rig]:
    """All engines after their lives; ``arrivals`` says when calls were at the provider's door."""
    rigs = []
    for engine in table.engines:
        loop = VirtualLoop()
        rig = Rig(loop, table, engine, Random(table.seed * 31 + engine.number))
        try:
            loop.run_until_complete(rig.live())
        finally:
            loop.close()
        # A killed process sends nothing any more, though the played one does so for a moment.
        rig.arrivals = [each for each in rig.arrivals if each.at_us <= engine.end * SECOND_US]
        rigs.append(rig)
    return rigs


def arrivals_of(rigs: Iterable[Rig]) -> list[Arrival]:
    """When calls were at the provider's door, oldest first."""
    return sorted(at for rig in rigs for at in rig.arrivals)


def excesses(table: Timetable, arrivals: Sequence[Arrival]) -> list[str]:
    """Seconds that saw more than the highest rate in force in them, or when one of their calls was begun: an old one is
    in force until all have heard of the new one, or are shut. Below one call a second it is the time of one call
    instead, as long as the engines stay: one that takes such a rate over begins a second after the last call of the
    other."""
    found = []
    stay = {(engine.start, engine.end) for engine in table.engines} == {(0.0, table.seconds)}
    changes = [*(at for at, _ in table.rates), math.inf]
    spans = [
        (begin, end + STALE_SECONDS + 0.1, rate) for (begin, rate), end in zip(table.rates, changes[1:], strict=True)
    ]
    for rate in {rate for _, rate in table.rates}:
        # Where this is the highest rate: so many calls and one more take longer than a second.
        most, second_us = math.ceil(rate), math.ceil(SECOND_US / (min(rate, 1.0) if stay else 1.0))
        for number, (first, last) in enumerate(zip(arrivals, arrivals[most:], strict=False)):
            if last.at_us - first.at_us > second_us:
                continue
            begun_us = min(each.begun_us for each in arrivals[number : number + most + 1])
            window = (begun_us / SECOND_US, (first.at_us + second_us) / SECOND_US)
            if max(r for begin, end, r in spans if begin < window[1] and end > window[0]) == rate:
                seconds = (last.at_us - first.at_us) / SECOND_US
                found.append(f"seed {table.seed}: {most + 1} calls in {seconds:.4f} s at {rate:g}/s")
    return found


def used(rigs: Sequence[Rig]) -> list[float]:
    """Which part of its share of the rate each engine used while it was awake, once it had begun; of a steady life."""
    found = []
    for index, rig in enumerate(rigs):
        share = rate_share(rig.table.rates[0][1], index, len(rigs))
        if share is None:
            continue
        most, begun = math.ceil(share), 4 + 1 / share
        times = [at for at in rig.awake_seconds if at >= begun]
        # A whole number of periods, for the calls of one may come in its first half; and to the end, but for one.
        calls = max(0, len(times) - 1) // most * most
        took = times[calls] - times[0] if calls else 0.0  # nothing, when a freeze was longer than the period
        within = calls / took / share if took else math.inf
        found.append(min(within, (len(times) + most) / share / max(1, rig.ended_seconds - begun)))
    return found


def main() -> int:
    """Live until there were enough windows."""
    parser = argparse.ArgumentParser(description="Rates in virtual time: no second over, none idle.")
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began, windows, seed, count = time.monotonic(), 0, given.seed, 0
    faults: list[str] = []
    parts: list[float] = []
    over_engines: Counter[int] = Counter()
    while windows < given.windows and len(faults) < 20:
        table = a_timetable(seed, steady=seed % 3 == 0)
        rigs = lives(table)
        arrivals = arrivals_of(rigs)
        found = excesses(table, arrivals)
        if seed % 3 == 0:
            parts += (own := used(rigs))
            found += [f"seed {seed}: {part:.3f} of its rate was used" for part in own if part < USED_MIN]
        for fault in found:
            print(fault, flush=True)
        faults += found
        windows, seed, count = windows + len(arrivals), seed + 1, count + 1
        over_engines[len(table.engines)] += len(arrivals)
        if count % _PROGRESS_LIVES == 0:
            print(f"{windows:,} windows, {count:,} lives, {len(faults)} faults", file=sys.stderr)
    shown = ", ".join(f"{over_engines[engines]:,} over {engines}" for engines in sorted(over_engines))
    print(f"{windows:,} windows in {count:,} lives ({shown} engines), {len(faults)} faults;", end=" ")
    print(f"used: {min(parts, default=math.nan):.3f} at least ({time.monotonic() - began:.0f} s)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
