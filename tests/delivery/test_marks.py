"""A message whose mark is not ours, or not stored, is not called."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random
from typing import cast

import pytest

from engine.delivery.marker import Marker, MarkNotStored
from engine.delivery.recorder import Recorder
from engine.delivery.worker import Worker
from engine.ports import Claim, OnUncertain, Return
from tests.delivery.plans import Bench, a_claim, a_plan
from tests.simulation.loop import VirtualLoop


class ScriptedMarker:
    """Answers as told."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer = answer

    async def mark(self, claim: Claim) -> bool:
        await asyncio.sleep(0.01)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Returns:
    """A recorder that only takes back."""

    def __init__(self) -> None:
        self.given_back: list[int] = []

    def give_back(self, claims: Collection[Return], *, slots: int = 0) -> None:
        assert slots == len(claims)
        self.given_back += [claim.message_id for claim in claims]

    def put(self, record: object) -> None:
        """An outcome: a call was made."""


@pytest.mark.parametrize(
    ("answer", "calls"), [(True, 1), (False, 0), (MarkNotStored("the store is away"), 0)], ids=["ours", "lost", "away"]
)
def test_only_a_message_with_its_mark_is_called(loop: VirtualLoop, answer: bool | Exception, calls: int) -> None:
    async def run() -> None:
        bench = Bench(loop, a_plan(1, on_uncertain=OnUncertain.NOT_SENT))
        provider, returns = bench.provider, Returns()
        worker = Worker(
            bench.state,
            bench.line,
            marker=cast(Marker, ScriptedMarker(answer)),
            recorder=cast(Recorder, returns),
            random=Random(1),
        )
        claim = a_claim(7)
        bench.hand.add([claim])
        await worker.handle(claim)
        assert [call.message_id for call in provider.calls] == [7] * calls
        assert returns.given_back == [7] * (1 - calls)
        entry = bench.book.get(1)
        assert entry is not None
        assert (entry.marking, entry.in_flight) == (0, 0)

    loop.run_until_complete(run())
