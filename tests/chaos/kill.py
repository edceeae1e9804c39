"""kill -9 of engines at odd moments, while they send and while they start, with a restart each time.

INVARIANT. Whoever dies, whenever: no message is lost, all counters are right, a message is called twice only if it was
in flight at a kill (as many as slots at most), and the other engines do not stop for more than 3 s. The one that was
started again sends within 5 s.
"""

from __future__ import annotations

import asyncio

from tests.chaos.world import Plan, Shape, World

DATABASES = ("sqlite", "postgres")
_DIES_AT_START = 0.15
"""Share of the engines that are killed a second time, while they start."""


def shape(plan: Plan) -> Shape:
    """Nothing special."""
    return Shape()


async def act(here: World, events: int) -> None:
    """So many kills."""
    restarts = []
    for _ in range(events):
        await here.pause(0.1, 0.9)
        restarts.append(asyncio.create_task(_kill(here, await here.victim())))
    await asyncio.gather(*restarts)


async def _kill(here: World, number: int) -> None:
    engine = here.engines[number]
    with here.event("kill", [number]) as event:
        await engine.kill()
        while here.random.random() < _DIES_AT_START:
            await engine.launch()
            await here.pause(0.0, 1.5)
            await engine.kill()
        await here.start(number)
    await here.back(number, event.ended)
