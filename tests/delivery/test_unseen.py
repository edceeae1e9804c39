"""An engine that the others took for dead comes back, and they have used its part of the rates meanwhile (rule 9)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.delivery.gate import STALE_SECONDS
from engine.store.database import Tx
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop

RATE = 10.0
SECOND_US = 1_000_000


@pytest.mark.parametrize("verbs", [["heartbeat"], ["heartbeat", "read_control"]])
@pytest.mark.parametrize("silent_seconds", [3.0, 4.5, 5.05, 5.5, 8.0])
def test_an_engine_that_comes_back_uses_no_part_of_a_rate_that_another_still_uses(
    loop: VirtualLoop, tmp_path: Path, silent_seconds: float, verbs: list[str]
) -> None:
    fleet = Fleet(loop, latency_seconds=(0.01, 0.02))

    async def run() -> None:
        await fleet.open(tmp_path, 600)
        for _ in range(2):
            await fleet.join(provider_rate=RATE)
        await asyncio.sleep(8)
        line = fleet.lines[0]
        line.waits = {verb: asyncio.Event() for verb in verbs}
        await asyncio.sleep(silent_seconds)
        for verb in verbs:
            line.waits.pop(verb).set()
        await asyncio.sleep(10)
        await fleet.leave()

    loop.run_until_complete(run())
    began_us = sorted(call.began_us for call in fleet.provider.calls)
    assert len(began_us) > RATE * 10
    assert [
        late for first, late in zip(began_us, began_us[int(RATE) :], strict=False) if late - first < SECOND_US
    ] == []


@pytest.mark.parametrize("rate", [0.0, RATE])
def test_an_engine_that_the_others_have_forgotten_begins_no_call_and_says_so(
    loop: VirtualLoop, tmp_path: Path, rate: float
) -> None:
    """A pause waits for those who are known only."""
    fleet = Fleet(loop, latency_seconds=(0.01, 0.02))

    async def remove(tx: Tx) -> None:
        await tx.run("DELETE FROM engine")

    async def run() -> tuple[int, str]:
        await fleet.open(tmp_path, 3_000)
        engine = await fleet.join(provider_rate=rate)
        await asyncio.sleep(5)
        await fleet.store._db.transaction(remove)
        await asyncio.sleep(STALE_SECONDS + 0.5)
        begun = len(fleet.provider.calls)
        stalls: dict[str, str] = {}
        for _ in range(20):  # as the health service looks
            await asyncio.sleep(1)
            stalls = {stall.part: stall.words for stall in engine.liveness.stalls()}
        assert engine.actors.control.is_forgotten
        late = len(fleet.provider.calls) - begun
        await fleet.leave()
        assert begun
        return late, stalls["leases"]

    late, why = loop.run_until_complete(run())
    assert late == 0
    assert "restart" in why
