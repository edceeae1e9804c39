"""Clocks that are wrong, or are set: leases and signs of life go by the database's, waits by one that never steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing
from structlog.typing import EventDict

from engine.delivery import control_keeper
from engine.delivery.gate import STALE_SECONDS
from engine.delivery.shared_clock import SharedClock
from tests.delivery.engines import Fleet, Line
from tests.simulation.loop import VirtualClock, VirtualLoop

CLIENTS = 60
LEASE_SECONDS = 12.0
SECOND_US = 1_000_000
HOURS_US = 2 * 3_600 * SECOND_US
MINUTE_SECONDS = 60.0

AHEAD, BEHIND, SLIGHTLY = "ahead", "behind", "by half a lease"
SKEWS_US = {AHEAD: HOURS_US, BEHIND: -HOURS_US, SLIGHTLY: int(0.7 * LEASE_SECONDS * SECOND_US)}


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EventDict]]:
    """The log; and a minute of virtual time for less: what costs most of it is reading the control record."""
    monkeypatch.setattr(control_keeper, "_READ_SECONDS", 0.25)
    with structlog.testing.capture_logs() as written:
        yield written


@pytest.mark.parametrize("whose", ["an engine's", "the database's"])
@pytest.mark.parametrize("when", ["before", "while it sends"])
@pytest.mark.parametrize("skew", SKEWS_US)
def test_nobody_takes_over_what_a_living_engine_has(
    loop: VirtualLoop, tmp_path: Path, skew: str, when: str, whose: str
) -> None:
    """Calls take longer than a lease lasts without renewal; an engine with a wrong clock took them for lost."""
    fleet = Fleet(loop, latency_seconds=(5.0, 9.0))

    async def run() -> list[int]:
        await fleet.open(tmp_path, CLIENTS)
        early_us = SKEWS_US[skew] if when == "before" else 0
        if whose == "the database's":
            fleet.store.clock.ahead_us = early_us
        await fleet.join(lease_seconds=LEASE_SECONDS)
        await fleet.join(lease_seconds=LEASE_SECONDS, ahead_us=early_us if whose == "an engine's" else 0)
        await asyncio.sleep(2 * LEASE_SECONDS)
        stepping = fleet.store.clock if whose == "the database's" else fleet.clocks[1]
        stepping.ahead_us = SKEWS_US[skew]
        known = [len(engine.actors.control.engines) for engine in fleet.engines]
        # Two engines, four workers each, seven seconds a call, and a minute for what it may delay.
        await fleet.done(CLIENTS / 8 * 7 + MINUTE_SECONDS)
        await fleet.leave()
        return known

    assert loop.run_until_complete(run()) == [2, 2]
    assert len(fleet.provider.calls_by_message()) == CLIENTS
    assert not fleet.repeats()


@pytest.mark.parametrize("step_us", [-HOURS_US, 0, HOURS_US])
def test_without_the_control_record_no_call_begins_whatever_the_clock_says(
    loop: VirtualLoop, tmp_path: Path, step_us: int
) -> None:
    """The rest of the database works: outcomes are stored, so slots are free."""
    fleet = Fleet(loop, latency_seconds=(0.1, 0.3))

    async def run() -> tuple[int, int]:
        await fleet.open(tmp_path, 500)
        await fleet.join(lease_seconds=LEASE_SECONDS)
        await asyncio.sleep(2)
        (line,), (clock,) = fleet.lines, fleet.clocks
        line.waits = {"read_control": asyncio.Event(), "heartbeat": asyncio.Event()}
        clock.ahead_us = step_us
        await asyncio.sleep(STALE_SECONDS)
        begun = len(fleet.provider.calls)
        await asyncio.sleep(30)
        late = len(fleet.provider.calls) - begun
        for verb in list(line.waits):
            line.waits.pop(verb).set()
        await fleet.done(MINUTE_SECONDS)
        await fleet.leave()
        return begun, late

    begun, late = loop.run_until_complete(run())
    assert begun > 20
    assert late == 0
    assert not fleet.repeats()


@pytest.mark.parametrize("fails", [True, False])
def test_without_the_database_no_call_begins(
    loop: VirtualLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Alone on it, with slots to spare: what stopped it was only that all of them were taken."""
    monkeypatch.setattr(Line, "shared", False)
    fleet = Fleet(loop, latency_seconds=(0.1, 0.3))

    async def run() -> int:
        await fleet.open(tmp_path, 900)
        engine = await fleet.join(lease_seconds=LEASE_SECONDS)
        engine.state.lines[0].queue.capacity = engine.state.lines[0].queue._slots_min = 1_000
        engine.state.lines[0].queue.resize(4)
        await asyncio.sleep(7)
        (line,) = fleet.lines
        assert len(engine.state.lines[0].queue) > 200
        line.is_cut = fails
        if not fails:
            for verb in ("record", "heartbeat", "renew", "recover", "plans", "claim"):
                line.waits[verb] = asyncio.Event()
        await asyncio.sleep(0.5 if fails else 1 + STALE_SECONDS)
        begun = len(fleet.provider.calls)
        await asyncio.sleep(10)
        late = len(fleet.provider.calls) - begun
        line.is_cut = False
        for verb in list(line.waits):
            line.waits.pop(verb).set()
        await fleet.done(MINUTE_SECONDS)
        await fleet.leave()
        return late

    assert loop.run_until_complete(run()) == 0
    assert not fleet.repeats()


@pytest.mark.parametrize(
    ("ahead_seconds", "fault"),
    [
        (0.9, ""),
        (-0.9, ""),
        (1.2, ""),
        (-1.2, ""),
        (7200.0, "this machine's clock is 7200 s ahead of the database's"),
        (-7200.0, "this machine's clock is 7200 s behind the database's"),
    ],
)
def test_a_difference_is_told_once(loop: VirtualLoop, lines: list[EventDict], ahead_seconds: float, fault: str) -> None:
    own = VirtualClock(loop)
    clock = SharedClock(own)
    for _ in range(3):
        clock.read(own.now_us() - int(ahead_seconds * SECOND_US), own.monotonic_us())
    assert clock.now_us() == clock.least_us() == own.now_us() - int(ahead_seconds * SECOND_US)
    told = [line["ahead_seconds"] for line in lines if line["event"] == "clock.differs"]
    assert told == ([ahead_seconds] if abs(ahead_seconds) > 1 else [])
    assert clock.fault == fault
    clock.read(own.now_us(), own.monotonic_us())
    assert [line["event"] for line in lines].count("clock.agrees") == len(told)


def test_what_the_question_took_is_no_difference(loop: VirtualLoop, lines: list[EventDict]) -> None:
    async def run() -> None:
        own = VirtualClock(loop)
        clock, asked_us = SharedClock(own), own.monotonic_us()
        await own.sleep(0.5)
        database_us = own.now_us()
        await own.sleep(1.5)
        clock.read(database_us, asked_us)
        assert clock.ahead_us == 0
        assert clock.least_us() <= own.now_us() <= clock.now_us() == clock.least_us() + 2 * SECOND_US

    loop.run_until_complete(run())
    assert not lines
