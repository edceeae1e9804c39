"""An actor that fails is started again with growing pauses, and shows it; others go on."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from random import Random

from structlog.testing import capture_logs

from engine.delivery.supervisor import Supervisor
from engine.ports import StoreUnavailable
from tests.simulation.loop import VirtualClock, VirtualLoop


def test_a_failing_actor_is_restarted_with_growing_pauses(loop: VirtualLoop) -> None:
    clock = VirtualClock(loop)
    starts: list[int] = []

    async def fails() -> None:
        starts.append(clock.now_us())
        raise ValueError("broken")

    async def runs() -> None:
        await asyncio.sleep(3600)

    async def run() -> None:
        supervisor = Supervisor(clock, Random(1))
        supervisor.start("bad", fails)
        supervisor.start("good", runs)
        await asyncio.sleep(60)
        health = {actor.name: actor for actor in supervisor.health()}
        assert not health["bad"].is_well(clock.now_us())
        assert "ValueError: broken" in health["bad"].last_error
        assert health["bad"].restarts == len(starts)
        assert health["good"].is_well(clock.now_us())
        await supervisor.stop("bad", "good")
        assert supervisor.health() == []

    loop.run_until_complete(run())
    pauses = [(later - earlier) / 1e6 for earlier, later in pairwise(starts)]
    assert 0.1 <= pauses[0] <= 0.2
    assert pauses[3] > pauses[0] * 2
    assert max(pauses) <= 10.0
    assert len(starts) < 20


def test_an_actor_that_runs_again_is_well_after_a_while(loop: VirtualLoop) -> None:
    clock = VirtualClock(loop)
    failures = [ValueError("once")]

    async def recovers() -> None:
        if failures:
            raise failures.pop()
        await asyncio.sleep(3600)

    async def run() -> list[bool]:
        supervisor = Supervisor(clock, Random(1))
        supervisor.start("actor", recovers)
        await asyncio.sleep(1)
        seen = [actor.is_well(clock.now_us()) for actor in supervisor.health()]
        await asyncio.sleep(10)
        seen += [actor.is_well(clock.now_us()) for actor in supervisor.health()]
        await supervisor.stop("actor")
        return seen

    assert loop.run_until_complete(run()) == [False, True]


def _failing(loop: VirtualLoop, error: Exception, seconds: float) -> tuple[list[int], list[str]]:
    """When 50 workers that fail with ``error`` were started, and what was logged."""
    clock = VirtualClock(loop)
    starts: list[int] = []

    async def run() -> None:
        async def fails(number: int) -> None:
            if not number:
                starts.append(clock.now_us())
            raise error

        supervisor = Supervisor(clock, Random(1))
        for number in range(50):
            supervisor.start(f"worker-{number}", lambda number=number: fails(number))  # type: ignore[misc]
        await asyncio.sleep(seconds)
        assert error.args[0] in supervisor.health()[0].last_error
        await supervisor.stop(*supervisor.names())

    with capture_logs() as lines:
        loop.run_until_complete(run())
    return starts, [line["event"] for line in lines]


def test_a_store_that_is_away_is_tried_again_within_a_second_and_is_no_bug_of_the_actors(loop: VirtualLoop) -> None:
    starts, events = _failing(loop, StoreUnavailable("away"), 60)
    assert max((later - earlier) / 1e6 for earlier, later in pairwise(starts)) <= 1.0
    assert events == []


def test_a_bug_that_all_actors_have_is_a_line_a_second(loop: VirtualLoop) -> None:
    began = time.monotonic()
    starts, events = _failing(loop, ValueError("broken"), 60)
    assert len(starts) > 5
    assert set(events) == {"actor.failed"}
    assert len(events) <= 1 + (time.monotonic() - began)


def test_an_actor_that_ends_by_itself_is_forgotten(loop: VirtualLoop) -> None:
    async def ends() -> None:
        await asyncio.sleep(1)

    async def run() -> list[str]:
        supervisor = Supervisor(VirtualClock(loop), Random(1))
        supervisor.start("worker-1", ends)
        await asyncio.sleep(2)
        return supervisor.names()

    assert loop.run_until_complete(run()) == []
