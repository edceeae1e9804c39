"""Leases: renewed whatever else waits, and taken over only when nobody can be on his way back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing

from engine.delivery import control_keeper
from engine.delivery.recovery import RETURN_SECONDS, Contact
from engine.delivery.shared_clock import SharedClock
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualClock, VirtualLoop

CLIENTS = 100
LEASE_SECONDS = 12.0
SECOND_US = 1_000_000


@pytest.fixture(autouse=True)
def _cheaply(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a minute of virtual time costs: reading the control record, and tracebacks of a database that is away."""
    monkeypatch.setattr(control_keeper, "_READ_SECONDS", 0.25)
    with structlog.testing.capture_logs():
        yield


@pytest.mark.parametrize("slow", ["recover", "renew", "heartbeat"])
def test_what_waits_for_the_database_holds_up_only_itself(loop: VirtualLoop, tmp_path: Path, slow: str) -> None:
    """Found from outside: one engine frozen in a transaction held up the others' recovery, and behind it their
    renewals, until their leases were over: 88 texts came twice."""
    fleet = Fleet(loop, latency_seconds=(5.0, 9.0))

    async def run() -> dict[str, int]:
        await fleet.open(tmp_path, CLIENTS)
        await fleet.join(lease_seconds=8.0)
        await asyncio.sleep(20)
        (line,) = fleet.lines
        line.waits[slow], since_us = asyncio.Event(), fleet.clock.monotonic_us()
        await asyncio.sleep(57)
        done = {verb: line.count(verb, since_us) for verb in ("recover", "renew", "read_control", "heartbeat")}
        line.waits.pop(slow).set()
        await asyncio.sleep(5)
        await fleet.leave()
        return done

    done = loop.run_until_complete(run())
    assert done.pop(slow) == 0
    if slow == "heartbeat":  # an engine that can't show that it lives reads no control record, and takes nothing over
        done = {"renew": done["renew"]}
    assert min(done.values()) >= 10, done
    assert not fleet.repeats()


def test_after_an_outage_outcomes_are_stored_before_leases_are_taken_over(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop)

    async def run() -> None:
        await fleet.open(tmp_path, CLIENTS)
        for _ in range(3):
            await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(3)
        fleet.cut(True)
        await asyncio.sleep(2.5 * LEASE_SECONDS)
        assert all(engine.state.lines[0].queue.in_flight for engine in fleet.engines)  # answered, and not stored
        fleet.cut(False)
        await fleet.done(60)
        await fleet.leave()

    loop.run_until_complete(run())
    assert len(fleet.provider.calls_by_message()) == CLIENTS
    assert not fleet.repeats()


def test_an_engine_that_starts_after_an_outage_waits_as_well(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop)

    async def run() -> None:
        await fleet.open(tmp_path, CLIENTS)
        await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(3)
        fleet.cut(True)
        await asyncio.sleep(2 * LEASE_SECONDS)
        await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(0.5)  # the new one is there first
        fleet.cut(False)
        await fleet.done(60)
        await fleet.leave()

    loop.run_until_complete(run())
    assert len(fleet.provider.calls_by_message()) == CLIENTS
    assert not fleet.repeats()


def test_what_a_dead_engine_has_left_is_sent_when_its_lease_is_over(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop)

    async def run() -> list[int]:
        await fleet.open(tmp_path, CLIENTS)
        dead = await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(5)
        held = len(dead.state.hand)
        fleet.cut(True)  # for good: as good as dead, and its leases are renewed no more
        heir = await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(LEASE_SECONDS - 0.5)
        early = fleet.lines[1].count("recover")
        await fleet.done(60)
        await fleet.leave(heir)
        return [held, early]

    held, early = loop.run_until_complete(run())
    assert held > 10
    assert early == 0
    assert len(fleet.provider.calls_by_message()) == CLIENTS
    assert len(fleet.repeats()) <= 4  # its workers' calls, which it could not store


def test_a_silence_is_a_gap_and_so_is_a_jump_of_the_databases_clock(loop: VirtualLoop) -> None:
    async def run() -> None:
        clock = VirtualClock(loop)
        shared_clock = SharedClock(clock)

        def told(ahead_us: int) -> None:
            shared_clock.read(clock.now_us() + ahead_us, clock.monotonic_us())

        contact = Contact(shared_clock, gap_seconds=2.0)
        assert contact.lasts_us() == 0
        for _ in range(4):
            contact.touch()
            await clock.sleep(1.5)
        assert contact.lasts_us() == 6 * SECOND_US
        await clock.sleep(1.0)  # no answer for 2.5 s: in a gap, and after it
        assert contact.lasts_us() == 0
        contact.touch()
        assert contact.lasts_us() == 0
        await clock.sleep(1.0)
        assert contact.lasts_us() == SECOND_US
        told(3600 * SECOND_US)
        assert contact.lasts_us() == 0
        contact.touch()
        told(0)
        assert contact.lasts_us() == 0
        await clock.sleep(1.0)
        assert contact.lasts_us() == SECOND_US

    loop.run_until_complete(run())


@pytest.mark.parametrize("lease_seconds", [1.0, 60.0])
def test_the_wait_is_a_lease_and_long_enough_for_whoever_comes_back(
    loop: VirtualLoop, tmp_path: Path, lease_seconds: float
) -> None:
    fleet = Fleet(loop)

    async def run() -> float:
        await fleet.open(tmp_path, 1)
        begin_us = fleet.clock.monotonic_us()
        await fleet.join(lease_seconds=lease_seconds)
        await asyncio.sleep(max(lease_seconds, RETURN_SECONDS) + 3)
        await fleet.leave()
        return (next(at for verb, at in fleet.lines[0].asked if verb == "recover") - begin_us) / SECOND_US

    first_seconds = loop.run_until_complete(run())
    expected_seconds = max(lease_seconds, RETURN_SECONDS)
    assert expected_seconds <= first_seconds <= expected_seconds + 1.5
