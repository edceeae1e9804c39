"""common/turns.py: however much works in turns, everything else goes on each time that the loop goes round."""

from __future__ import annotations

import asyncio

import pytest

from common.turns import Turns
from tests.patience import PATIENT_SECONDS


async def test_of_many_that_work_one_has_a_turn_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.turns.TURN_SECONDS", 0.0)
    turns_had: list[int] = []

    async def work(number: int) -> None:
        turns = Turns()
        for _ in range(5):
            await turns.pause()
            turns_had.append(number)

    working = [asyncio.create_task(work(number)) for number in range(4)]
    rounds = 0
    while not all(each.done() for each in working):
        before = len(turns_had)
        await asyncio.sleep(0)
        rounds += 1
        assert len(turns_had) - before <= 1
    assert turns_had == [0, 1, 2, 3] * 5
    assert rounds >= 20


async def test_work_that_is_cancelled_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.turns.TURN_SECONDS", 0.0)
    cancelled, other = asyncio.create_task(Turns().pause()), asyncio.create_task(Turns().pause())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait_for(other, PATIENT_SECONDS)
    await asyncio.wait_for(Turns().pause(), PATIENT_SECONDS)


async def test_a_turn_that_is_not_over_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.turns.TURN_SECONDS", 60.0)
    rounds: list[int] = []
    asyncio.get_running_loop().call_soon(rounds.append, 1)
    turns = Turns()
    for _ in range(100):
        await turns.pause()
    assert rounds == []
