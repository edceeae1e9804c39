"""The queue is fair, paced, and never lets out more than it has slots."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest

from engine.domain.outcome import Outcome, Verdict
from engine.ports import Claim
from tests.delivery.plans import Bench, a_claim, a_plan
from tests.simulation.loop import VirtualLoop

FAILED = Outcome(Verdict.RETRY, 503, "HTTP 503", None)
SENT = Outcome(Verdict.SENT, 200, "", None)


async def drain(bench: Bench, count: int, *, free: bool = True) -> list[Claim]:
    """Take ``count`` claims as one worker after another would."""
    taken = []
    for _ in range(count):
        claim = await bench.queue.take(1)
        assert claim is not None
        taken.append(claim)
        if free:
            bench.queue.free(1)
    return taken


def test_mailings_take_turns_however_long_their_lanes(loop: VirtualLoop) -> None:
    async def run() -> list[int]:
        bench = Bench(loop)
        bench.queue.put(1, [a_claim(i, 1) for i in range(50)])
        bench.queue.put(2, [a_claim(100 + i, 2) for i in range(3)])
        return [claim.mailing_id for claim in await drain(bench, 10)]

    mailings = loop.run_until_complete(run())
    assert mailings.count(2) == 3
    assert mailings.index(2) <= 1
    assert max(len(list(group)) for _, group in groupby(mailings[:6])) == 1


def test_no_more_claims_are_out_than_there_are_slots(loop: VirtualLoop) -> None:
    async def run() -> tuple[int, int]:
        bench = Bench(loop, workers=3)
        bench.queue.put(1, [a_claim(i) for i in range(10)])
        takers = [asyncio.create_task(bench.queue.take(1)) for _ in range(10)]
        await asyncio.sleep(1)
        before = sum(taker.done() for taker in takers)
        bench.queue.free(2)
        await asyncio.sleep(1)
        after = sum(taker.done() for taker in takers)
        for taker in takers:
            taker.cancel()
        return before, after

    assert loop.run_until_complete(run()) == (3, 5)


def test_more_slots_than_workers_let_a_worker_go_on_before_its_outcome_is_stored(loop: VirtualLoop) -> None:
    async def run() -> tuple[int, ...]:
        bench = Bench(loop, workers=2, slots_min=5)
        bench.queue.put(1, [a_claim(i) for i in range(10)])
        counts = [sum(bench.queue.take_now() is not None for _ in range(10))]
        too_many = await bench.queue.take(3)
        assert too_many is None
        for workers in (4, 7):
            bench.queue.resize(workers)
            counts.append(bench.queue.slots)
        return tuple(counts)

    # So many at least, however many workers there are; and a slot for each worker.
    assert loop.run_until_complete(run()) == (5, 5, 7)


def test_a_put_wakes_no_more_workers_than_there_are_slots(loop: VirtualLoop) -> None:
    async def run() -> tuple[int, int]:
        bench = Bench(loop, workers=3)
        takers = [asyncio.create_task(bench.queue.take(1)) for _ in range(10)]
        await asyncio.sleep(1)
        looks = 0
        take_now = bench.queue.take_now

        def counted() -> Claim | None:
            nonlocal looks
            looks += 1
            return take_now()

        bench.queue.take_now = counted  # type: ignore[method-assign]
        bench.queue.put(1, [a_claim(i) for i in range(20)])
        await asyncio.sleep(1)
        bench.queue.put(1, [a_claim(i) for i in range(20, 40)])
        await asyncio.sleep(1)
        done = sum(taker.done() for taker in takers)
        for taker in takers:
            taker.cancel()
        return done, looks

    assert loop.run_until_complete(run()) == (3, 3)


def test_the_providers_rate_is_kept_to_the_call(loop: VirtualLoop) -> None:
    async def run() -> list[int]:
        bench = Bench(loop, rate=10, capacity=1000)
        bench.queue.put(1, [a_claim(i) for i in range(100)])
        return [bench.clock.now_us() for _ in range(35) if await drain(bench, 1)]

    times = loop.run_until_complete(run())
    assert all(sum(t <= other < t + 1_000_000 for other in times) <= 10 for t in times)
    assert times[-1] - times[0] < 3_600_000  # and no slower than needed


def test_a_mailing_with_a_rate_does_not_hold_up_the_others(loop: VirtualLoop) -> None:
    async def run() -> list[Claim]:
        bench = Bench(loop, a_plan(1, rate_limit=1.0), a_plan(2))
        bench.queue.put(1, [a_claim(i, 1) for i in range(10)])
        bench.queue.put(2, [a_claim(100 + i, 2) for i in range(20)])
        taken = await drain(bench, 21)
        assert bench.clock.now_us() - bench.book.get(1).plan.start_us < 1_000_000  # type: ignore[union-attr]
        return taken

    taken = loop.run_until_complete(run())
    assert [claim.mailing_id for claim in taken].count(2) == 20


def test_the_slowest_of_rates_stops_nobody(loop: VirtualLoop) -> None:
    async def run() -> list[int]:
        bench = Bench(loop, a_plan(1, rate_limit=5e-324), a_plan(2))
        bench.queue.put(1, [a_claim(i, 1) for i in range(10)])
        await drain(bench, 1)
        assert bench.queue.take_now() is None
        bench.queue.put(2, [a_claim(100, 2)])
        return [claim.mailing_id for claim in await drain(bench, 1)]

    assert loop.run_until_complete(run()) == [2]


def test_an_open_breaker_lets_one_probe_through_and_closes_on_success(loop: VirtualLoop) -> None:
    async def run() -> tuple[int, int]:
        bench = Bench(loop)
        bench.queue.put(1, [a_claim(i) for i in range(20)])
        for claim in await drain(bench, 3):
            bench.gate.report(claim.message_id, FAILED, bench.clock.now_us())
        takers = [asyncio.create_task(bench.queue.take(1)) for _ in range(5)]
        await asyncio.sleep(10)
        done = [taker.result() for taker in takers if taker.done()]
        probe = done[0]
        assert probe is not None
        bench.gate.on_change = lambda: bench.queue.wake(5)
        bench.gate.report(probe.message_id, SENT, bench.clock.now_us())
        await asyncio.sleep(0.1)
        return len(done), sum(taker.done() for taker in takers)

    assert loop.run_until_complete(run()) == (1, 5)


def test_a_shut_gate_lets_nothing_out_until_it_opens(loop: VirtualLoop) -> None:
    async def run() -> tuple[bool, bool]:
        bench = Bench(loop)
        bench.gate.pause(True)
        bench.queue.put(1, [a_claim(1)])
        taker = asyncio.create_task(bench.queue.take(1))
        await asyncio.sleep(60)
        held = not taker.done()
        bench.gate.pause(False)
        bench.queue.wake(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return held, taker.done()

    assert loop.run_until_complete(run()) == (True, True)


def test_withdrawn_claims_are_gone_and_the_rest_keep_their_order(loop: VirtualLoop) -> None:
    async def run() -> tuple[list[int], list[int]]:
        bench = Bench(loop)
        bench.queue.put(1, [a_claim(i, 1) for i in range(0, 10, 2)])
        bench.queue.put(2, [a_claim(i, 2) for i in range(1, 10, 2)])
        out = bench.queue.withdraw(lambda claim: claim.mailing_id == 2 or claim.message_id == 4)
        assert len(bench.queue) == 4
        return [c.message_id for c in out], [c.message_id for c in await drain(bench, 4)]

    out, kept = loop.run_until_complete(run())
    assert sorted(out) == [1, 3, 4, 5, 7, 9]
    assert kept == [0, 2, 6, 8]


def test_a_worker_too_many_ends_and_a_cancelled_one_passes_its_turn_on(loop: VirtualLoop) -> None:
    async def run() -> tuple[Claim | None, bool]:
        bench = Bench(loop, workers=2)
        extra = asyncio.create_task(bench.queue.take(2))
        first = asyncio.create_task(bench.queue.take(1))
        other = asyncio.create_task(bench.queue.take(1))
        await asyncio.sleep(0)
        bench.queue.resize(1)
        await asyncio.sleep(0)
        bench.queue.put(1, [a_claim(1)])
        first.cancel()
        await asyncio.sleep(0.1)
        return await extra, other.done()

    assert loop.run_until_complete(run()) == (None, True)


def test_the_ticker_hears_in_time_that_a_lane_runs_low(loop: VirtualLoop) -> None:
    async def run() -> list[int]:
        bench, heard = Bench(loop), []
        bench.bell.ring_for_work = lambda: heard.append(bench.queue.queued(1))  # type: ignore[method-assign]
        bench.queue.put(1, [a_claim(i) for i in range(8)])
        await drain(bench, 8)
        return heard

    assert loop.run_until_complete(run()) == [4, 2, 1, 0]


def test_a_lane_whose_share_has_shrunk_is_heard_again_before_it_is_empty(loop: VirtualLoop) -> None:
    """The ticker may find the first call too early: it was the only one, and the lane ran dry until the tick."""

    async def run() -> list[int]:
        bench, heard = Bench(loop), []
        bench.queue.put(1, [a_claim(i) for i in range(64)])
        bench.queue.withdraw(lambda claim: claim.message_id >= 20)  # jumps past the mark
        bench.bell.ring_for_work = lambda: heard.append(bench.queue.queued(1))  # type: ignore[method-assign]
        await drain(bench, 20)
        return heard

    heard = loop.run_until_complete(run())
    assert heard[0] == 19
    assert heard[-1] == 0
    assert len(heard) > 3


def test_nobody_wakes_who_would_find_nothing(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[int, int]:
        bench, asked = Bench(loop, workers=8), 0
        queue, take_now = bench.queue, bench.queue.take_now

        def counted() -> Claim | None:
            nonlocal asked
            asked += 1
            return take_now()

        takers = [asyncio.create_task(queue.take(worker)) for worker in range(1, 9)]
        queue.put(1, [a_claim(id) for id in range(3)])
        await asyncio.sleep(1)
        monkeypatch.setattr(queue, "take_now", counted)
        queue.free(3)
        queue.wake_all()
        await asyncio.sleep(1)
        in_vain = asked
        queue.put(1, [a_claim(id) for id in range(2)])
        await asyncio.sleep(1)
        done = sum(taker.done() for taker in takers)
        for taker in takers:
            taker.cancel()
        return in_vain, done

    assert loop.run_until_complete(run()) == (0, 5)
