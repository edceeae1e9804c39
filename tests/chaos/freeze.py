"""SIGSTOP and SIGCONT of engines: a virtual machine that is moved, a laptop that sleeps, a cgroup that is frozen.

INVARIANT. An engine that is frozen, also in the middle of a transaction that holds locks, and that wakes when others
have long taken over its work: no message is lost, all counters are right, only what was in flight when it froze is
called twice (as many as slots at most), the others do not stop for more than 3 s, and it sends again within 5 s.
"""

from __future__ import annotations

import asyncio
import time

from tests.chaos.world import Plan, Shape, World

DATABASES = ("sqlite", "postgres")
_IN_TRANSACTION = 0.5
"""Share of the freezes for which a moment inside a transaction is looked for."""
_LENGTHS = ((0.6, 1, 3), (0.25, 3, 8), (0.12, 8, 20), (0.03, 20, 70))
"""Share, shortest, longest (seconds)."""
_LOOK_SECONDS = 5.0
"""So long is a moment inside a transaction looked for."""
_SETTLE_SECONDS = 0.01
"""A statement that is on its way ends within this time; what is open then stays open."""


def shape(plan: Plan) -> Shape:
    """Nothing special."""
    return Shape()


async def act(here: World, events: int) -> None:
    """So many freezes, one after another but for the long ones, which others happen beside."""
    freezes = []
    for number in range(events):
        await here.pause(0.2, 0.8)
        seconds = _length(here)
        wanted = number < events * _IN_TRANSACTION
        freezes.append(asyncio.create_task(_freeze(here, await here.victim(), seconds, wanted)))
        await asyncio.wait(freezes[-1:], timeout=min(seconds, 8) + 1)
    await asyncio.gather(*freezes)
    inside = sum(event.in_transaction for event in here.report.events)
    here.report.more["in a transaction"] = f"{inside} of {events} freezes"


def _length(here: World) -> float:
    (_, shortest, longest), *_ = here.random.choices(_LENGTHS, [share for share, *_ in _LENGTHS])
    return min(here.random.uniform(shortest, longest), here.plan.longest_seconds)


async def _freeze(here: World, number: int, seconds: float, wanted: bool) -> None:
    engine = here.engines[number]
    # An outage to the report: what was called while a moment was looked for may be in flight too.
    with here.event("freeze", [number], is_outage=True) as event:
        if wanted and await _frozen_in_transaction(here, number):
            event.kind, event.in_transaction = "freeze in a transaction", True
        else:
            engine.freeze()
        try:
            await asyncio.sleep(seconds)
        finally:
            engine.thaw()
    await here.back(number, event.ended)


async def _frozen_in_transaction(here: World, number: int) -> bool:
    """Freeze it when it is seen to hold locks in the database, and again until it still does when it is frozen; it
    stays so then. Most of the time it is only looked at, for what is frozen every moment holds up others by itself."""
    engine, database = here.engines[number], here.database
    deadline = time.monotonic() + _LOOK_SECONDS
    while time.monotonic() < deadline:
        if await database.is_held_by(number):
            engine.freeze()
            await asyncio.sleep(_SETTLE_SECONDS)
            if await database.is_held_by(number):
                return True
            engine.thaw()
        await asyncio.sleep(0.001)
    return False
