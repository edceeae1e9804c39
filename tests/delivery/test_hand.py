"""A claim is let go by itself: the store's answers overtake each other, and by then its message may be claimed anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from engine.delivery.hand import Hand
from engine.delivery.leases import LeaseKeeper
from engine.delivery.recorder import Recorder
from engine.domain.message import Event
from engine.ports import Claim, Record, Renewal, Return, Store, StoreUnavailable
from tests.delivery.plans import Bench, a_claim
from tests.simulation.loop import EPOCH_US, VirtualLoop

SECOND_US = 1_000_000


def _deferred(claim: Claim) -> Record:
    return claim.ended(Event.DEFER, EPOCH_US, EPOCH_US, 503, "HTTP 503", EPOCH_US, 1)


@pytest.mark.parametrize("end", [_deferred, Claim.given_back, lambda claim: claim], ids=["stored", "returned", "lost"])
def test_what_ends_one_claim_leaves_a_later_one_of_its_message(end: Callable[[Claim], Claim | Record | Return]) -> None:
    hand, first, second = Hand(), a_claim(7), a_claim(7, attempt=2)
    hand.add([first])
    hand.add([second])
    hand.drop([end(first)])
    assert hand.expiring(second.lease_until_us + 1) == [second]
    hand.drop([end(second)])
    assert not len(hand)


class OvertakenStore:
    """Does what it is asked, and its answer is overtaken: its message is claimed again before."""

    def __init__(self, hand: Hand, later: Claim, *, lost: bool = False) -> None:
        self._hand, self._later, self._is_lost = hand, later, lost

    async def record(self, records: Sequence[Record], **_: Any) -> int:
        await self._overtaken()
        return len(records)

    async def renew(self, _: Sequence[Claim], **__: Any) -> Renewal:
        await self._overtaken()
        return Renewal(set(), set())

    async def fenced(self, _: Sequence[Record]) -> int:
        return 0

    async def _overtaken(self) -> None:
        await asyncio.sleep(0.5)
        self._hand.add([self._later])
        if self._is_lost:
            self._is_lost = False  # it answers when it is asked again
            raise StoreUnavailable("the connection is gone")


@pytest.mark.parametrize("lost", [False, True], ids=["late", "lost"])
def test_a_message_claimed_again_before_the_recorder_hears_of_its_outcome_stays_in_hand(
    loop: VirtualLoop, lost: bool
) -> None:
    """Found by a simulated life: its lease was renewed no more, and a call that was answered ended as uncertain."""

    async def run() -> None:
        bench, first, second = Bench(loop), a_claim(7), a_claim(7, attempt=2)
        bench.hand.add([first])
        recorder = Recorder(
            cast(Store, OvertakenStore(bench.hand, second, lost=lost)), bench.state, on_stored=lambda *_: None
        )
        recorder.put(_deferred(first))
        task = asyncio.create_task(recorder.run())
        await asyncio.sleep(1)
        if lost:  # the recorder asks again, and its outcome is behind the fence
            with pytest.raises(StoreUnavailable):
                await task
            task = asyncio.create_task(recorder.run())
            await asyncio.sleep(1)
        task.cancel()
        assert not len(recorder)
        assert bench.hand.expiring(second.lease_until_us + 1) == [second]

    loop.run_until_complete(run())


def test_a_claim_made_while_the_last_ones_lease_was_asked_for_is_not_lost(loop: VirtualLoop) -> None:
    """The message was given back meanwhile, and a message that is given back has the same attempt when it is claimed
    again."""

    async def run() -> None:
        bench, lost = Bench(loop), list[Claim]()
        until_us = bench.clock.now_us() + SECOND_US
        first, again = a_claim(7, lease_until_us=until_us), a_claim(7)
        bench.hand.add([first])
        keeper = LeaseKeeper(cast(Store, OvertakenStore(bench.hand, again)), bench.state, on_lost=lost.extend)
        await keeper.renew()
        assert not lost
        assert bench.hand.expiring(again.lease_until_us + 1) == [again]

    loop.run_until_complete(run())
