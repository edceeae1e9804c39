"""SIGTERM at odd moments, with limits of 1, 3 and 10 s: while an engine sends, starts, waits for a lock, has lost its
database.

INVARIANT. A stop ends within its limit and a second, whatever the engine waits for. No message is lost, all counters
are right, only calls that the limit cut off are made twice (as many as slots at most), the others do not stop for
more than 3 s, and the one that was started again sends within 5 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.chaos.report import Event
from tests.chaos.world import Plan, Shape, World

DATABASES = ("sqlite", "postgres")
Moment = Callable[[World, int, Event], Awaitable[None]]

LIMITS = (1.0, 3.0, 10.0)
_LATENCY = (0.05, 2.0)
"""Longer than the shortest limit: some calls have to be cut off."""
_ENOUGH = 3.0 + _LATENCY[1]
"""A limit beyond this leaves every call its time: no repeats, if nothing else is amiss."""


def shape(plan: Plan) -> Shape:
    """Slow answers, and a way to the database that can be made a black hole."""
    return Shape(latency_seconds=_LATENCY, clients=150, proxied=True)


async def act(here: World, events: int) -> None:
    """So many stops."""
    here.judges.append(_judge)
    for engine in here.engines:
        engine.flags += ["--shutdown-seconds", str(here.random.choice(LIMITS))]
    stops: list[asyncio.Task[None]] = []
    moments = [_locked, *([_black_hole] if here.proxies else []), _sending, _starting, _sending]
    for count in range(events):
        await here.pause(0.3, 1.5)
        moment = moments[count % len(moments)]
        if moment is _locked:
            await asyncio.gather(*stops)  # a lock hits everybody: not beside another event
        stops.append(asyncio.create_task(_stop(here, await here.victim(), moment)))
        if moment is _locked:
            await asyncio.gather(*stops)
    await asyncio.gather(*stops)


async def _stop(here: World, number: int, moment: Moment) -> None:
    flags = here.engines[number].flags
    kind = f"stop while {moment.__name__.strip('_').replace('_', ' ')}"
    with here.event(kind, [number], limit_seconds=here.limit(number), is_outage=moment is _black_hole) as event:
        await moment(here, number, event)
        here.plan.tell(f"   {kind}: {event.exit_seconds:.2f} s of {event.limit_seconds:g} s")
        if here.proxies:
            here.proxies[number].pass_on()
        here.limits[number] = float(flags[-1])
        await here.start(number)
        flags[-1] = str(here.random.choice(LIMITS))
    await here.back(number, event.ended)


async def _sending(here: World, number: int, event: Event) -> None:
    event.exit_seconds = await here.stop(number)


async def _starting(here: World, number: int, event: Event) -> None:
    """It is stopped once to be started; what is measured is the second stop, with the next start's limit."""
    await here.stop(number)
    event.limit_seconds = float(here.engines[number].flags[-1])
    await here.engines[number].launch()
    await here.pause(0.05, 1.5)
    event.exit_seconds = await here.stop(number)


async def _locked(here: World, number: int, event: Event) -> None:
    """Somebody holds a lock that every engine needs."""
    with here.event("lock", here.numbers, is_outage=True):
        async with here.database.locked():
            await here.pause(0.1, 1.0)
            event.exit_seconds = await here.stop(number)


async def _black_hole(here: World, number: int, event: Event) -> None:
    """Its database does not answer any more."""
    here.proxies[number].swallow()
    await here.pause(0.1, 3.0)
    event.exit_seconds = await here.stop(number)


async def _judge(here: World) -> None:
    """Where the limit leaves every call its time, none is made twice."""
    report = here.report
    explained, _ = report.repeats()
    for (number, engine), count in explained.items():
        event = report.events[number]
        if event.kind == "stop while sending" and event.limit_seconds is not None and event.limit_seconds > _ENOUGH:
            report.broken.append(
                f"event {number + 1}: {count} calls of engine {engine} were made twice, though the stop had"
                f" {event.limit_seconds:g} s and no answer takes longer than {_LATENCY[1]:g} s"
            )
