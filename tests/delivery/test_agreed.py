"""Whoever changes something waits until all other engines act by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.delivery.gate import STALE_SECONDS
from engine.store.rows import Actor
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop


def test_a_pause_returns_when_the_other_engine_acts_by_it_or_can_call_nobody(loop: VirtualLoop, tmp_path: Path) -> None:
    """The other one hears of nothing for a while: its way to the database waits for a lock, say."""
    fleet = Fleet(loop, latency_seconds=(0.05, 0.1))

    async def run() -> tuple[int, float]:
        await fleet.open(tmp_path, 2000)
        first, other = [await fleet.join() for _ in range(2)]
        await asyncio.sleep(3)
        line = fleet.lines[1]
        line.waits = {verb: asyncio.Event() for verb in ("read_control", "heartbeat", "plans")}
        began_us = fleet.clock.monotonic_us()
        await fleet.store.set_paused(1, True, by=Actor(), now_us=fleet.clock.now_us())
        await first.refresh(1)
        seconds, paused_us = (fleet.clock.monotonic_us() - began_us) / 1e6, fleet.clock.now_us()
        await asyncio.sleep(1)
        late = sum(call.began_us > paused_us for call in fleet.provider.calls)
        waits, line.waits = line.waits, {}
        for event in waits.values():
            event.set()
        await fleet.leave(first, other)
        return late, seconds

    late, seconds = loop.run_until_complete(run())
    assert late == 0
    assert seconds < STALE_SECONDS + 0.5
