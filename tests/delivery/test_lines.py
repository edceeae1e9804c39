"""Several providers: each has what it needs, none holds up another, and none gets what may have reached another."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from engine.domain.breaker import BreakerState
from engine.domain.outcome import Outcome, Verdict
from engine.domain.routing import ANY, Wish
from engine.domain.segments import count_segments
from engine.provider.spec import ProviderSpec, RateUnit
from tests.delivery.providers import LATENCY, WORKERS, Town
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import Faults

CLIENTS = 20
SECONDS = 20.0


def spec(name: str, **more: Any) -> ProviderSpec:
    return ProviderSpec(name=name, workers=WORKERS, time_out_seconds=5.0, **more)


def run(loop: VirtualLoop, life: Coroutine[Any, Any, None]) -> None:
    loop.run_until_complete(life)


async def wanted() -> str:
    return ""


def faults(town: Town, name: str, **shares: Any) -> None:
    town.providers[name].faults = Faults(latency_seconds=LATENCY, **shares)


def test_the_first_one_gets_all_while_it_is_well(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path)
        mailing_id = await town.register()
        await town.until(CLIENTS)
        assert {message.provider for message in await town.messages(mailing_id)} == {"a"}
        await town.close()

    run(loop, life())
    assert (len(town.ids("a")), town.ids("b")) == (CLIENTS, [])


def test_what_the_first_one_refuses_goes_to_the_next_at_once(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path, range(200))
        faults(town, "a", unavailable=1.0)
        began = town.loop.time()
        mailing_id = await town.register()
        await town.until(1)
        assert town.loop.time() - began < 2
        # As quick as b alone, but for the calls that have told that a is away.
        assert await town.until(200) < 200 * LATENCY[0] / WORKERS * 1.5
        assert town.engine.state.lines[0].gate.breaker.state is BreakerState.OPEN
        failed = next(message for message in await town.messages(mailing_id) if message.attempts == 2)
        _, attempts = await town.store.get_message(failed.id)
        assert [attempt.provider for attempt in attempts] == ["a", "b"]
        # It comes back: it is the first again.
        faults(town, "a")
        await asyncio.sleep(60)
        await town.register()
        await asyncio.sleep(60)
        before = len(town.ids("a"))
        await town.register()
        await town.until(600)
        assert len(town.ids("a")) == before + 200
        await town.close()

    run(loop, life())
    assert max(Counter(town.ids("b")).values()) == 1


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_what_may_have_reached_one_never_goes_to_another(loop: VirtualLoop, tmp_path: Path, share: float) -> None:
    """Time-outs, and then the breaker opens: the rest goes to b, but nothing of what a may have."""
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path, range(100))
        faults(town, "a", hang=share, unavailable=(1.0 - share) / 2)
        await town.register(seconds=300)
        await asyncio.sleep(400)
        await town.close()

    run(loop, life())
    hung = {call.message_id for call in town.providers["a"].calls if call.arrived and not call.understood}
    assert hung
    assert town.ids("b")
    assert hung.isdisjoint(town.ids("b"))


def test_a_hanging_provider_takes_nothing_from_another(loop: VirtualLoop, tmp_path: Path) -> None:
    """The other one sends as many as if it were alone."""

    def sent_by_b(folder: Path, *, with_a: bool) -> int:
        folder.mkdir()
        town = Town(loop, *([spec("a")] if with_a else []), spec("b"))

        async def life() -> None:
            await town.open(folder, range(2000))
            if with_a:
                faults(town, "a", hang=1.0)
                await town.register(provider="a")
            await town.register(provider="b")
            await asyncio.sleep(SECONDS)
            await town.close()

        run(loop, life())
        return len(town.ids("b"))

    alone = sent_by_b(tmp_path / "alone", with_a=False)
    assert alone > 0.8 * SECONDS / LATENCY[0] * WORKERS
    assert sent_by_b(tmp_path / "beside", with_a=True) >= 0.95 * alone


def test_one_that_asks_to_be_left_alone_is_replaced_meanwhile(loop: VirtualLoop, tmp_path: Path) -> None:
    """``Retry-After`` on 429 holds all of its calls."""
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path, range(200))
        faults(town, "a", throttle=1.0)
        await town.register()
        await town.until(200, 10)
        await town.close()

    run(loop, life())
    assert len(town.ids("a")) <= WORKERS * 4


def test_without_failover_a_failed_message_waits_for_the_same_provider(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a", failover=False), spec("b"))

    async def life() -> None:
        await town.open(tmp_path, range(10))
        faults(town, "a", unavailable=1.0)
        await town.register()
        await asyncio.sleep(0.5)
        faults(town, "a")
        await town.until(10)
        await town.close()

    run(loop, life())
    assert town.ids("b") == []


def test_numbers_go_to_whom_takes_them(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a", prefixes=("7916000000",)), spec("b", prefixes=("791600001",)))

    async def life() -> None:
        await town.open(tmp_path, range(0, 300, 5))
        mailing_id = await town.register(seconds=60)
        await town.until(22)
        await asyncio.sleep(10)
        assert Counter(message.provider for message in await town.messages(mailing_id)) == {"a": 2, "b": 20, None: 38}
        await town.close()

    run(loop, life())


def test_a_mailing_for_one_provider_waits_for_it_and_may_be_edited(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path, range(30))
        faults(town, "b", unavailable=1.0)
        mailing_id = await town.register(provider="b")
        await asyncio.sleep(20)
        assert (town.ids("a"), await town.sent()) == ([], 0)
        await town.edit(mailing_id, provider="a")
        await town.until(30)
        await town.close()

    run(loop, life())


def test_a_provider_is_told_what_it_asks_for(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a", senders=("Shop",)), spec("b"))
    town.can("a", sender=True, validity=True, segments=True)

    async def life() -> None:
        await town.open(tmp_path, range(1))
        await town.register("x" * 161, seconds=100, sender="Shop")
        await town.until(1)
        await town.register(provider="b")
        await town.until(2)
        await town.close()

    run(loop, life())
    (told,), (not_told,) = town.providers["a"].requests, town.providers["b"].requests
    assert (told.sender, told.segments) == ("Shop", 2)
    assert 98 < told.valid_seconds <= 100
    assert (not_told.sender, not_told.valid_seconds, not_told.segments) == ("", 0, 1)


@pytest.mark.parametrize("text", ["x" * 161, "x" * 2000], ids=["two segments", "more than a second's worth"])
def test_a_rate_of_segments_is_never_exceeded(loop: VirtualLoop, tmp_path: Path, text: str) -> None:
    rate, segments = 10, count_segments(text).segments
    town = Town(loop, spec("a", rate=rate, rate_unit=RateUnit.SEGMENTS))

    async def life() -> None:
        await town.open(tmp_path, range(30))
        await town.register(text)
        await town.until(30)
        await town.close()

    run(loop, life())
    times = [call.began_us / 1e6 for call in town.providers["a"].calls]
    at_once = max(1, rate // segments)
    assert all(later - first > max(1, segments // rate) for first, later in zip(times, times[at_once:], strict=False))
    # And it is used; by a text of more than a second's worth in whole seconds.
    seconds = segments / rate if segments <= rate else math.ceil(segments / rate)
    assert times[-1] - times[0] < 1.3 * 30 * seconds


def test_a_text_that_is_tried_goes_through_the_provider_that_is_named(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a"), spec("b"))

    async def life() -> None:
        await town.open(tmp_path)
        trials = town.engine.actors.trials
        for id, wish in ((9001, ANY), (9002, Wish("b")), (9003, Wish("a"))):
            assert (await trials.send(id, 79161234567, "try", wanted, wish)).verdict is Verdict.SENT
        faults(town, "b", unavailable=1.0)
        for id in range(9010, 9040):
            await trials.send(id, 79161234567, "try", wanted, Wish("b"))
        assert town.engine.state.lines[1].gate.breaker.state is BreakerState.OPEN
        assert trials.refusal([79161234567], Wish("b")) is not None
        assert (trials.refusal([79161234567], Wish("a")), trials.refusal([79161234567])) == (None, None)
        await town.close()

    run(loop, life())
    assert (town.ids("a"), town.ids("b")[:1]) == ([9001, 9003], [9002])


def test_a_text_that_is_tried_is_refused_while_all_providers_of_its_number_are_away(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    town = Town(loop, spec("a", prefixes=("7916",)), spec("b", prefixes=("79",)), spec("c", prefixes=("7495",)))
    of_a, of_b, of_c, nobodys = 79161234567, 79031234567, 74951234567, 78121234567

    def away(number: int) -> None:
        town.engine.state.lines[number].gate.report(
            1, Outcome(Verdict.BLOCKED, 401, "HTTP 401", None), town.clock.now_us()
        )

    def problem(*numbers: int) -> str:
        refusal = town.engine.actors.trials.refusal(numbers)
        return "" if refusal is None else refusal.arguments["problem"]

    async def life() -> None:
        await town.open(tmp_path)
        assert problem(of_a, of_b, of_c, nobodys) == ""
        away(0)
        assert problem(of_a) == ""  # b takes it
        away(1)
        both = "a: HTTP 401; b: HTTP 401"
        assert (problem(of_a), problem(of_c, of_a), problem(of_b)) == (both, both, "b: HTTP 401")
        away(2)
        assert problem(nobodys) == ""  # to wait would not help
        outcome = await town.engine.actors.trials.send(9001, nobodys, "try", wanted)
        assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "no provider takes this number")
        await town.close()

    run(loop, life())
