"""Texts that somebody tries: the provider's rules hold for them, and nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.delivery.delivery import Delivery
from engine.domain.outcome import Outcome, Verdict
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop

NUMBER = 79169999999


async def wanted() -> str:
    return ""


async def alone(fleet: Fleet, folder: Path, clients: int = 0, rate: float = 0.0) -> Delivery:
    await fleet.open(folder, clients)
    return await fleet.join(provider_rate=rate)


async def send(engine: Delivery, number: int = NUMBER) -> Outcome:
    return await engine.actors.trials.send(1000 + number - NUMBER, number, "try", wanted)


def test_it_is_sent_at_once_although_others_wait(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        fleet = Fleet(loop)
        engine = await alone(fleet, tmp_path, clients=100)
        await asyncio.sleep(1)
        began_us = fleet.clock.now_us()
        assert (await send(engine)).verdict is Verdict.SENT
        assert fleet.clock.now_us() - began_us < 2_000_000
        await fleet.leave()

    loop.run_until_complete(life())


def test_the_providers_rate_holds_for_them_too(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        fleet = Fleet(loop, latency_seconds=(0.01, 0.02))
        engine = await alone(fleet, tmp_path, clients=200, rate=5.0)
        await asyncio.sleep(3)
        outcomes = await asyncio.gather(*(send(engine, NUMBER + place) for place in range(5)))
        assert any(each.verdict is Verdict.SENT for each in outcomes)
        times = sorted(call.began_us for call in fleet.provider.calls)
        assert all(later - first >= 1_000_000 for first, later in zip(times, times[5:], strict=False))
        await fleet.leave()

    loop.run_until_complete(life())


def test_a_rate_that_leaves_no_place_refuses_it_in_time(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        fleet = Fleet(loop)
        engine = await alone(fleet, tmp_path, rate=0.01)
        assert (await send(engine)).verdict is Verdict.SENT
        outcome = await send(engine)
        assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "the provider's rate had no place for it")
        await fleet.leave()

    loop.run_until_complete(life())


def test_while_sending_is_paused_nothing_is_sent(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        fleet = Fleet(loop)
        engine = await alone(fleet, tmp_path)
        assert engine.actors.trials.refusal([NUMBER]) is None
        engine.state.lines[0].gate.pause(True)
        refusal = engine.actors.trials.refusal([NUMBER])
        assert refusal is not None
        assert refusal.code == "SENDING_PAUSED"
        assert (await send(engine)).detail == refusal
        assert not fleet.provider.calls
        await fleet.leave()

    loop.run_until_complete(life())


def test_its_outcome_is_the_breakers_and_a_closed_one_refuses_the_next(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        fleet = Fleet(loop)
        engine = await alone(fleet, tmp_path)
        fleet.provider.faults.unavailable = 1.0
        outcomes = [await send(engine) for _ in range(60)]
        called = len(fleet.provider.calls)
        assert called < 60
        assert {each.verdict for each in outcomes} == {Verdict.RETRY}
        refusal = engine.actors.trials.refusal([NUMBER])
        assert refusal is not None
        assert (refusal.code, refusal.arguments) == ("PROVIDER_CLOSED", {"problem": "HTTP 503"})
        await fleet.leave()

    loop.run_until_complete(life())


@pytest.mark.parametrize("words", ["", "the number was put on the stop list"])
def test_the_last_word_is_asked_right_before_the_call(loop: VirtualLoop, tmp_path: Path, words: str) -> None:
    async def last_word() -> str:
        return words

    async def life() -> None:
        fleet = Fleet(loop)
        engine = await alone(fleet, tmp_path)
        outcome = await engine.actors.trials.send(1, NUMBER, "try", last_word)
        assert outcome.detail == words
        assert len(fleet.provider.calls) == (not words)
        await fleet.leave()

    loop.run_until_complete(life())
