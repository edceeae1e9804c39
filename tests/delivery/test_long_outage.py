"""A provider that is dead for ten minutes while 100,000 messages wait (docs/behaviour.md, rule 7), in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop

BACKLOG, WORKERS = 100_000, 16
DEAD_SECONDS = 600
SECOND_US = 1_000_000


@pytest.mark.parametrize("fault", ["unavailable", "refuse", "hang"])
def test_it_is_not_hammered_and_all_goes_on_within_a_second_of_its_first_answer(
    loop: VirtualLoop, tmp_path: Path, fault: str
) -> None:
    fleet = Fleet(loop, latency_seconds=(0.01, 0.02))
    setattr(fleet.provider.faults, fault, 1.0)

    async def run() -> None:
        await fleet.open(tmp_path, BACKLOG)
        await fleet.join(workers=WORKERS)
        await asyncio.sleep(DEAD_SECONDS)
        fleet.provider.faults.quiet()
        while not any(call.understood and call.http_status == 200 for call in fleet.provider.calls):
            await asyncio.sleep(1)
        await asyncio.sleep(3)
        await fleet.leave()

    loop.run_until_complete(run())
    calls = fleet.provider.calls
    accepted = next(call for call in calls if call.http_status == 200 and call.understood)
    assert accepted.ended_us is not None
    before, after = (
        [call for call in calls if call.began_us < accepted.began_us],
        [call for call in calls if call.began_us > accepted.ended_us],
    )
    assert len(before) < 10 * WORKERS  # probes, and the calls that were under way when it died
    assert after[0].began_us - accepted.ended_us <= SECOND_US
    first_second = [call for call in after if call.began_us <= accepted.ended_us + 2 * SECOND_US]
    assert len(first_second) > WORKERS * 10  # all workers, not a probe now and then
