"""The recorder loses no outcome: not when the store is away, not beside a row that it chokes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from engine.delivery.marker import Marker, MarkNotStored
from engine.delivery.recorder import Recorder
from engine.domain.message import Event
from engine.ports import Claim, Record, Return, Store, StoreUnavailable
from tests.delivery.plans import Bench, a_claim, a_plan
from tests.simulation.loop import EPOCH_US, VirtualLoop

POISON, LATE = 13, 14


class ScriptedStore:
    """Remembers what it was given; away or choking as told."""

    def __init__(self) -> None:
        self.away = self.broken = False
        self.tries = 0
        self.transactions: list[list[int]] = []
        self.begun: list[int] = []
        self.lost = 0

    async def record(self, records: Sequence[Record], **_: Any) -> int:
        await asyncio.sleep(0.01)
        if self.away:
            raise StoreUnavailable("away")
        ids = [record.message_id for record in records]
        if self.broken:
            self.tries += 1
            raise RuntimeError("cannot execute UPDATE in a read-only transaction")
        if POISON in ids:
            raise ValueError("a row that the code chokes on")
        self.transactions.append(ids)
        return len([id for id in ids if id != LATE])

    async def fenced(self, records: Sequence[Record]) -> int:
        assert LATE in [record.message_id for record in records]
        return self.lost

    async def release(self, returns: Sequence[Return], **_: Any) -> int:
        self.transactions.append([-item.message_id for item in returns])
        return len(returns)

    async def begin(self, claims: Sequence[Claim], **_: Any) -> set[int]:
        if self.away:
            raise StoreUnavailable("away")
        self.begun += [claim.message_id for claim in claims]
        return {claim.message_id for claim in claims if claim.attempt == 1}


class Setting:
    """A recorder with all that it needs."""

    def __init__(self, loop: VirtualLoop) -> None:
        bench = Bench(loop, a_plan(1), workers=4, slots_min=12)
        self.store, self.hand, self.book, self.queue = ScriptedStore(), bench.hand, bench.book, bench.queue
        self.freed = 0
        self.recorder = Recorder(cast(Store, self.store), bench.state, on_stored=self._freed)

    def put(self, *message_ids: int, event: Event = Event.ACCEPT, due_us: int = 0) -> None:
        self.hand.add(a_claim(message_id) for message_id in message_ids)
        for i in message_ids:
            self.recorder.put(Record(i, 1, i, 1, event, EPOCH_US, EPOCH_US, 200, "", due_us))

    async def drained(self) -> None:
        """Wait until everything handed over is stored."""
        while len(self.recorder):
            await asyncio.sleep(0.0001)

    def _freed(self, slots: Mapping[int, int], _records: list[Record]) -> None:
        self.freed += sum(slots.values())


def test_what_piles_up_during_a_commit_shares_the_next_one(loop: VirtualLoop) -> None:
    setting = Setting(loop)

    async def run() -> None:
        task = asyncio.create_task(setting.recorder.run())
        setting.put(1)
        await asyncio.sleep(0.001)
        setting.put(2, 3, 4)
        await setting.drained()
        task.cancel()

    loop.run_until_complete(run())
    assert setting.store.transactions == [[1], [2, 3, 4]]
    assert (setting.freed, len(setting.hand)) == (4, 0)


def test_a_group_grows_for_ten_milliseconds_while_there_are_slots_for_all_workers(loop: VirtualLoop) -> None:
    setting = Setting(loop)
    stored_at: list[float] = []

    async def run() -> None:
        task = asyncio.create_task(setting.recorder.run())
        for early, late in (([1, 2], [3]), ([4, 5], []), ([6], []), ([7, 8, 9, 10], [])):
            began = loop.time()
            setting.put(*early)
            await asyncio.sleep(0.005)
            if late:
                setting.put(*late)
            await setting.drained()
            stored_at.append(loop.time() - began)
        task.cancel()

    loop.run_until_complete(run())
    assert setting.store.transactions == [[1, 2, 3], [4, 5], [6], [7, 8, 9, 10]]
    # To store a group takes ten milliseconds. A small one goes at once, and so does one that has grown enough.
    assert stored_at == pytest.approx([0.02, 0.02, 0.01, 0.01], abs=0.0005)


def test_no_group_grows_where_its_slots_would_be_missed(loop: VirtualLoop) -> None:
    setting = Setting(loop)
    setting.queue.resize(6)  # of twelve slots: all workers may be calling, and as many wait for the transaction

    async def run() -> float:
        task = asyncio.create_task(setting.recorder.run())
        began = loop.time()
        setting.put(1, 2, 3, 4)
        await setting.drained()
        task.cancel()
        return loop.time() - began

    assert loop.run_until_complete(run()) == pytest.approx(0.01, abs=0.0005)


def test_a_group_stops_growing_when_claims_are_to_be_given_back(loop: VirtualLoop) -> None:
    setting = Setting(loop)

    async def run() -> float:
        task = asyncio.create_task(setting.recorder.run())
        began = loop.time()
        setting.put(1, 2)
        await asyncio.sleep(0.001)
        setting.recorder.give_back([Return(8, 1, 1, 0)])
        await setting.drained()
        task.cancel()
        return loop.time() - began

    # Ten milliseconds for the transaction, and two until the rest has made its step.
    assert loop.run_until_complete(run()) == pytest.approx(0.012, abs=0.0005)
    assert setting.store.transactions == [[1, 2], [-8]]


def test_outcomes_are_kept_while_the_store_is_away(loop: VirtualLoop) -> None:
    setting = Setting(loop)

    async def run() -> None:
        setting.store.away = True
        setting.put(1, 2)
        with pytest.raises(StoreUnavailable):
            await setting.recorder.run()
        assert (setting.freed, len(setting.hand), len(setting.recorder)) == (0, 2, 2)
        setting.store.away = False
        task = asyncio.create_task(setting.recorder.run())
        await setting.drained()
        task.cancel()

    loop.run_until_complete(run())
    assert setting.store.transactions == [[1, 2]]
    assert setting.freed == 2


def test_one_poisoned_row_does_not_hold_up_the_others(loop: VirtualLoop) -> None:
    setting = Setting(loop)

    async def run() -> None:
        setting.put(*range(10, 20))
        task = asyncio.create_task(setting.recorder.run())
        await setting.drained()
        assert not task.done()
        task.cancel()

    loop.run_until_complete(run())
    stored = sorted(i for ids in setting.store.transactions for i in ids)
    assert stored == [i for i in range(10, 20) if i != POISON]
    # Not in hand any more: its lease is not renewed, so it will be found and tried again.
    assert (setting.freed, len(setting.hand)) == (10, 0)


def test_a_deferred_message_and_a_returned_one_are_looked_at_again(loop: VirtualLoop) -> None:
    setting = Setting(loop)

    async def run() -> list[int | None]:
        entry = setting.book.get(1)
        assert entry is not None
        entry.ask_us = [None]
        task = asyncio.create_task(setting.recorder.run())
        setting.put(1, event=Event.DEFER, due_us=EPOCH_US + 77)
        await setting.drained()
        seen = [*entry.ask_us]
        setting.recorder.give_back([Return(2, 1, 1, 0)])
        await setting.drained()
        task.cancel()
        return [*seen, *entry.ask_us]

    assert loop.run_until_complete(run()) == [EPOCH_US + 77, 0]
    assert setting.store.transactions == [[1], [-2]]


def test_marks_share_a_commit_and_tell_whose_claim_it_still_is(loop: VirtualLoop) -> None:
    async def run() -> list[bool]:
        store = ScriptedStore()
        marker = Marker(cast(Store, store), owner=1)
        task = asyncio.create_task(marker.run())
        marks = [marker.mark(a_claim(1)), marker.mark(a_claim(2, attempt=2))]
        ours = list(await asyncio.gather(*marks))
        task.cancel()
        assert store.begun == [1, 2]
        return ours

    assert loop.run_until_complete(run()) == [True, False]


def test_without_a_stored_mark_nobody_may_call(loop: VirtualLoop) -> None:
    async def run() -> None:
        store = ScriptedStore()
        store.away = True
        marker = Marker(cast(Store, store), owner=1)
        task = asyncio.create_task(marker.run())
        with pytest.raises(MarkNotStored, match="away"):
            await marker.mark(a_claim(1))
        with pytest.raises(StoreUnavailable):
            await task

    loop.run_until_complete(run())


@pytest.mark.parametrize("number", [1, 2, 9, 100])
def test_an_error_that_nobody_knows_lets_no_outcome_go_while_nothing_can_be_stored(
    loop: VirtualLoop, number: int
) -> None:
    """Found from outside: a database that had become read-only was taken for 965 bad rows."""
    setting = Setting(loop)
    setting.store.broken = True
    setting.put(*range(20, 20 + number))

    async def run() -> None:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await setting.recorder.run()
        assert (len(setting.recorder), setting.freed, len(setting.hand)) == (number, 0, number)
        assert setting.store.tries < 20  # not once a row
        setting.store.broken = False
        task = asyncio.create_task(setting.recorder.run())
        await setting.drained()
        task.cancel()

    loop.run_until_complete(run())
    assert setting.freed == number
    assert sorted(id for ids in setting.store.transactions for id in ids) == list(range(20, 20 + number))


def test_a_minute_of_rows_that_nobody_can_store_is_sixty_lines_at_most(loop: VirtualLoop) -> None:
    """Found from outside: 217,000 lines. Here all within one second."""
    setting = Setting(loop)
    setting.store.broken = True
    setting.put(*range(20, 30))
    began = time.monotonic()

    async def run() -> None:
        for _ in range(100):
            with pytest.raises(StoreUnavailable):
                await setting.recorder.run()

    with capture_logs() as lines:
        loop.run_until_complete(run())
    assert {line["event"] for line in lines} == {"record.stuck"}
    assert len(lines) <= 1 + (time.monotonic() - began)


def test_a_bad_row_alone_waits_until_another_shows_that_the_store_works(loop: VirtualLoop) -> None:
    setting = Setting(loop)
    setting.put(POISON)

    async def run() -> None:
        with pytest.raises(StoreUnavailable, match="chokes"):
            await setting.recorder.run()
        setting.put(1)
        task = asyncio.create_task(setting.recorder.run())
        await setting.drained()
        task.cancel()

    loop.run_until_complete(run())
    assert (setting.store.transactions, setting.freed) == ([[1]], 2)


@pytest.mark.parametrize("lost", [0, 1])
def test_only_what_is_lost_is_told(loop: VirtualLoop, lost: int) -> None:
    setting = Setting(loop)
    setting.store.lost = lost

    async def run() -> None:
        task = asyncio.create_task(setting.recorder.run())
        setting.put(1, LATE, 2)
        await setting.drained()
        task.cancel()

    with capture_logs() as lines:
        loop.run_until_complete(run())
    assert [line["outcomes"] for line in lines if line["event"] == "record.fenced"] == [1] * lost
    assert (setting.freed, len(setting.hand)) == (3, 0)


def test_an_outcome_is_that_of_its_claim() -> None:
    claim = a_claim(7, mailing_id=8, client_id=9, attempt=3)
    record = claim.ended(Event.DEFER, 1, 2, 503, "busy", 4, 5)
    assert record == Record(
        message_id=7,
        mailing_id=8,
        client_id=9,
        attempt=3,
        event=Event.DEFER,
        started_us=1,
        finished_us=2,
        http_status=503,
        detail="busy",
        due_us=4,
        text_version=5,
    )
