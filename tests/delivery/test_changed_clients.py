"""Claims of clients that were changed, through this engine or another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.ports import StoreUnavailable
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop

OLD, NEW = 79160000002, 79165550000
CLIENT_ID = 3
SECOND_US = 1_000_000


def numbers(fleet: Fleet) -> list[int]:
    return [call.phone_number for call in fleet.provider.calls]


def test_what_another_engine_has_changed_is_not_called_out_of_the_queue(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop, latency_seconds=(3.0, 3.0))

    async def run() -> None:
        await fleet.open(tmp_path, 4)
        engine = await fleet.join(workers=1)
        await asyncio.sleep(1)
        assert len(engine.state.lines[0].queue) == 3
        await fleet.change_number(CLIENT_ID, NEW)
        assert await engine.actors.control.agreed() >= 0
        await fleet.done(60)
        await fleet.leave()

    loop.run_until_complete(run())
    assert OLD not in numbers(fleet)
    assert len(set(numbers(fleet))) == len(numbers(fleet)) == 4
    assert NEW in numbers(fleet)


@pytest.mark.parametrize("fails", [False, True])
def test_a_claim_under_way_while_another_engine_changes_its_client_is_not_called(
    loop: VirtualLoop, tmp_path: Path, fails: bool
) -> None:
    """The store has carried the claim out, and its answer comes when the engine has acknowledged the revision."""
    fleet = Fleet(loop)

    async def run() -> None:
        await fleet.open(tmp_path, 0)
        engine = await fleet.join()
        (line,) = fleet.lines
        line.slow_answers["claim"] = asyncio.Event()
        await fleet.add_clients(4)
        await asyncio.sleep(7)  # a tick
        assert line.count("claim")
        assert not len(engine.state.hand)
        await fleet.change_number(CLIENT_ID, NEW)
        await asyncio.sleep(1)
        assert engine.actors.control.seen_revision == (await fleet.store.read_control(0)).revision
        if fails:
            line.fails["outdated"] = StoreUnavailable("away")
        line.slow_answers.pop("claim").set()
        await asyncio.sleep(0.1)
        line.fails.clear()
        await fleet.done(60)
        await fleet.leave()

    loop.run_until_complete(run())
    assert OLD not in numbers(fleet)
    assert len(set(numbers(fleet))) == len(numbers(fleet)) == 4


def test_whoever_changes_a_client_waits_a_little_for_his_call_and_for_no_other(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    fleet = Fleet(loop, latency_seconds=(0.2, 0.2))

    async def run() -> list[float]:
        await fleet.open(tmp_path, 2)
        engine = await fleet.join(workers=2)
        while len(fleet.provider.calls) < 2:
            await asyncio.sleep(0.001)
        waited_seconds = []
        for client_ids in ([1], [2], None):
            begin_us = fleet.clock.monotonic_us()
            engine.actors.clients.changed([1])
            await engine.actors.clients.followed(client_ids)
            waited_seconds.append((fleet.clock.monotonic_us() - begin_us) / SECOND_US)
            if client_ids == [1]:
                fleet.provider.faults.latency_seconds = (30.0, 30.0)
        await fleet.done(60)
        await fleet.leave()
        return waited_seconds

    his, others, all_of_them = loop.run_until_complete(run())
    assert 0.1 < his < 0.3
    assert others == 0
    assert all_of_them < 0.1  # his call has ended


@pytest.mark.parametrize("is_here", [True, False])
def test_a_message_that_is_claimed_again_before_its_outcome_is_answered_is_revoked_too(
    loop: VirtualLoop, tmp_path: Path, is_here: bool
) -> None:
    """Found by a simulated life: the late answer to the outcome took the newer claim out of hand, and not the queue."""
    fleet = Fleet(loop, latency_seconds=(3.0, 3.0))
    fleet.provider.faults.unavailable = 1.0

    async def run() -> None:
        await fleet.open(tmp_path, 2)
        engine = await fleet.join(workers=1)
        (line,) = fleet.lines
        line.slow_answers["record"] = asyncio.Event()
        hand = engine.state.hand
        while not any(claim.attempt == 2 for claim in hand.claims()):
            await asyncio.sleep(0.1)
        (first,) = fleet.provider.calls
        fleet.provider.faults.unavailable = 0.0
        line.slow_answers.pop("record").set()
        while len(fleet.provider.calls) == 1:
            await asyncio.sleep(0.1)
        await fleet.change_number(first.message_id, NEW)  # the first message is that of the first client
        if is_here:
            engine.actors.clients.changed([first.message_id])
            await engine.actors.clients.followed()
        else:
            await engine.actors.control.agreed()
        await fleet.done(60)
        await fleet.leave()

    loop.run_until_complete(run())
    assert numbers(fleet) == [79160000000, 79160000001, NEW]
