"""Those who hand in receipts: when, which of their answers are lost, and what nobody may say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

import pytest

from engine.domain.receipt import Delivery, Effect, Receipt
from engine.ports import StoreUnavailable
from engine.store.receipts import Recorded
from tests.simulation.receipts import STRANGER, Answer, Mouth, ReceiptFaults, handing_in
from tests.simulation.world import Call

NOW_US: Final = 1_767_225_600_000_000
SEEDS: Final = range(60)


def _lost_call(message_id: int) -> Call:
    return Call(message_id, 79160000000, "hello", NOW_US, http_status=200, is_lost=True)


def test_what_there_is_to_say_of_a_lost_call_comes_when_its_message_is_claimed_again() -> None:
    hurried = 0
    for seed in SEEDS:
        mouth = Mouth(seed)
        mouth.answered(_lost_call(1))
        mouth.answered(_lost_call(2))
        later = {id(word) for word in mouth.words if word.due_us > NOW_US + 5_000_000}
        others = [(word, word.due_us) for word in mouth.words if word.message_id == 2]
        mouth.claimed_again({1}, NOW_US + 5_000_000)
        assert all(word.due_us == due_us for word, due_us in others)
        hurried += sum(id(word) in later and word.due_us <= NOW_US + 5_500_000 for word in mouth.words)
    assert hurried > len(SEEDS) / 3


def test_whoever_was_given_nothing_speaks_of_several_messages_at_once() -> None:
    lists = [said for seed in SEEDS for said in Mouth(seed).meddle([1, 2, 3], NOW_US)]
    assert {word.receipt.provider for said in lists for word in said} == {STRANGER}
    assert {len(said) for said in lists} == {3}
    assert all(Mouth(seed).meddle([1], NOW_US) == [] for seed in SEEDS)


@pytest.mark.parametrize(("effect", "number"), [(None, 0), (Effect.UNKNOWN, 0), (Effect.KEPT, 1)])
def test_nothing_comes_of_what_a_stranger_says(effect: Effect | None, number: int) -> None:
    mouth = next(mouth for mouth in map(Mouth, SEEDS) if mouth.meddle([1, 2], NOW_US))
    mouth.strangers[0].answers.append(Answer(NOW_US, NOW_US, effect))
    assert len(list(ReceiptFaults(mouth, 0).of_strangers())) == number


class _Inbox:
    def __init__(self) -> None:
        self.stored = 0

    async def hand_in(self, receipts: Sequence[Receipt]) -> Recorded:
        self.stored += len(receipts)
        return Recorded((Effect.KEPT,), ())


def test_some_answers_are_lost_after_their_receipts_were_stored_and_none_in_the_end() -> None:
    mouth = next(mouth for mouth in map(Mouth, SEEDS) if any(mouth.loses() for _ in range(20)))
    inbox, said = _Inbox(), [Receipt(Delivery.DELIVERED, NOW_US, 1)]
    hand_in = handing_in(cast(Any, inbox), cast(Any, None), mouth)

    async def lost(tries: int) -> int:
        return sum(
            isinstance(answer, StoreUnavailable)
            for answer in await asyncio.gather(*(hand_in(said) for _ in range(tries)), return_exceptions=True)
        )

    assert 0 < asyncio.run(lost(40)) < 40
    mouth.all_is_due()
    assert asyncio.run(lost(40)) == 0
    assert inbox.stored == 80
