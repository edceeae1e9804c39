"""The last look before a call, each part of it alone: what ``scripts/ablate`` switches off one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.delivery.marker import Marker
from engine.delivery.plan_reader import PlanReader
from engine.delivery.recorder import Recorder
from engine.delivery.worker import Worker
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.ports import Claim, OnUncertain, Plan, Return
from engine.store.rows import Actor
from engine.store.store import Store
from tests.delivery.plans import MARGIN_SECONDS, TIMEOUT_SECONDS, Bench, a_claim, a_plan
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

SECOND_US = 1_000_000
MARK_SECONDS = 0.01


class Marks:
    """Every mark is stored, after a while."""

    async def mark(self, claim: Claim) -> bool:
        await asyncio.sleep(MARK_SECONDS)
        return True


class Returns:
    """A recorder that only takes back."""

    def __init__(self) -> None:
        self.given_back: list[int] = []

    def give_back(self, claims: Collection[Return], *, slots: int = 0) -> None:
        assert slots == len(claims)
        self.given_back += [claim.message_id for claim in claims]

    def put(self, record: object) -> None:
        """An outcome: a call was made."""


class One:
    """A worker with what it works with."""

    def __init__(self, loop: VirtualLoop, plan: Plan, *, latency_seconds: float = 0.1) -> None:
        self.bench, self.returns = Bench(loop, plan), Returns()
        self.provider = self.bench.provider
        self.provider.faults = Faults(latency_seconds=(latency_seconds, latency_seconds))
        self.worker = Worker(
            self.bench.state,
            self.bench.line,
            marker=cast(Marker, Marks()),
            recorder=cast(Recorder, self.returns),
            random=Random(1),
        )

    async def handle(self, claim: Claim) -> None:
        """Let it have this claim."""
        self.bench.hand.add([claim])
        await self.worker.handle(claim)

    @property
    def called(self) -> list[int]:
        return [call.message_id for call in self.provider.calls]


CLOSED = LocalHours(12 * 60, 13 * 60)  # virtual time begins at midnight


@pytest.mark.parametrize(
    ("plan", "lease_seconds"),
    [
        pytest.param({}, 60, id="may be called"),
        pytest.param({"start_us": EPOCH_US + 1}, 60, id="starts later"),
        pytest.param({"end_us": EPOCH_US}, 60, id="over"),
        pytest.param({"end_us": EPOCH_US + 49_000}, 60, id="nearly over"),
        pytest.param({"local_hours": CLOSED}, 60, id="closed"),
        pytest.param({"paused": True}, 60, id="paused"),
        pytest.param({"cancelled": True}, 60, id="cancelled"),
        pytest.param({"rebuilding": True}, 60, id="rebuilding"),
        pytest.param({}, 0, id="lease over"),
        pytest.param({}, MARGIN_SECONDS - 0.1, id="lease nearly over"),
    ],
)
def test_nothing_is_called_that_may_not_be_called_now(
    loop: VirtualLoop, plan: dict[str, Any], lease_seconds: float, request: pytest.FixtureRequest
) -> None:
    one = One(loop, a_plan(1, **plan))
    claim = a_claim(7, lease_until_us=EPOCH_US + int(lease_seconds * SECOND_US))
    loop.run_until_complete(one.handle(claim))
    may_be = not plan and lease_seconds > MARGIN_SECONDS
    assert one.called == [7] * may_be
    assert one.returns.given_back == [7] * (not may_be)


def test_a_call_is_waited_for_until_the_end_and_no_longer(loop: VirtualLoop) -> None:
    one = One(loop, a_plan(1, end_us=EPOCH_US + SECOND_US), latency_seconds=TIMEOUT_SECONDS / 2)
    loop.run_until_complete(one.handle(a_claim(7)))
    (call,) = one.provider.calls
    assert call.ended_us == EPOCH_US + SECOND_US


@pytest.mark.parametrize("changes", [{"paused": True}, {"end_us": EPOCH_US + 1}, {"local_hours": CLOSED}])
def test_after_its_mark_a_message_is_looked_at_again(loop: VirtualLoop, changes: dict[str, Any]) -> None:
    plan = a_plan(1, on_uncertain=OnUncertain.NOT_SENT)
    one = One(loop, plan)

    async def run() -> None:
        handling = asyncio.ensure_future(one.handle(a_claim(7)))
        await asyncio.sleep(MARK_SECONDS / 2)
        one.bench.book.load([replace(plan, **changes)])
        await handling

    loop.run_until_complete(run())
    assert (one.called, one.returns.given_back) == ([], [7])


def test_a_rate_holds_for_marked_calls(loop: VirtualLoop) -> None:
    one = One(loop, a_plan(1, on_uncertain=OnUncertain.NOT_SENT, rate_limit=2.0))

    async def run() -> None:
        await asyncio.gather(*(one.handle(a_claim(number)) for number in range(6)))

    loop.run_until_complete(run())
    times = [call.began_us for call in one.provider.calls]
    assert len(times) == 6
    assert all(third - first > SECOND_US for first, third in zip(times, times[2:], strict=False))


def test_an_older_reading_does_not_overwrite_a_newer_one(loop: VirtualLoop) -> None:
    """The first reading is slow; meanwhile somebody pauses the mailing, and reads it again."""
    one, plan = One(loop, a_plan(1)), a_plan(1)

    class SlowAtFirst:
        plans_now, seconds = (plan,), 1.0

        async def plans(self, now_us: int, mailing_ids: object = None) -> tuple[Plan, ...]:
            read, seconds, self.seconds = self.plans_now, self.seconds, 0.0
            await asyncio.sleep(seconds)
            return read

    store = SlowAtFirst()
    plans = PlanReader(cast(Store, store), one.bench.state)

    async def run() -> None:
        slow = asyncio.ensure_future(plans.reload())
        await asyncio.sleep(0.5)
        store.plans_now = (replace(plan, paused=True),)
        await asyncio.gather(slow, plans.reload())

    loop.run_until_complete(run())
    entry = one.bench.book.get(1)
    assert entry is not None
    assert entry.plan.paused


class SlowClaims(Store):
    """A claim is committed at once, and its answer takes as long as told."""

    answer_seconds = 0.0

    async def claim(self, *args: Any, **kwargs: Any) -> list[Claim]:
        claims = await super().claim(*args, **kwargs)
        await asyncio.sleep(self.answer_seconds if claims else 0.0)
        return claims


class Alone:
    """One engine with a mailing for three clients; calls take three seconds."""

    def __init__(self, loop: VirtualLoop, *, hours: LocalHours | None = None) -> None:
        self.clock = VirtualClock(loop)
        self.provider = SimulatedProvider(self.clock, Random(1), Faults(latency_seconds=(3.0, 3.0)))
        self.asked = MailingInput("hello", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, hours, None, "resend")
        self.store: SlowClaims
        self.delivery: Delivery

    async def open(self, folder: Path, answer_seconds: float) -> None:
        self.store = await SlowClaims.open(f"sqlite://{folder}/mailing.db", inline=True)
        self.store.answer_seconds = answer_seconds
        given = [self._client(number) for number in range(3)]
        await self.store.import_clients(given, by=Actor(), now_us=EPOCH_US)
        await self.store.create_mailing(self.asked, by=Actor(), now_us=EPOCH_US)
        settings = DeliverySettings(workers=1, queue_size=50)
        self.delivery = await Delivery.join(
            self.store, self.provider, clock=self.clock, random=Random(1), settings=settings, name="t", meter=NoMeter()
        )

    async def start(self) -> None:
        await self.delivery.start()
        await asyncio.sleep(1)

    async def leave(self) -> None:
        await asyncio.sleep(60)
        await self.delivery.stop(5)
        await self.store.close()

    async def change_number(self) -> None:
        """Client 3 gets number 9."""
        await self.store.update_client(3, lambda _: self._client(9), by=Actor(), now_us=self.clock.now_us())
        self.delivery.actors.clients.changed([3])

    async def change_filter(self) -> None:
        """To one that nobody matches."""
        asked = replace(self.asked, filter=AudienceFilter(tags=("nobody",)))
        await self.store.update_mailing(1, lambda _: asked, by=Actor(), now_us=self.clock.now_us())
        await self.delivery.refresh(1)

    def numbers(self) -> list[int]:
        """Whose numbers were called."""
        return sorted(call.phone_number - 79160000000 for call in self.provider.calls)

    def _client(self, number: int) -> ClientInput:
        return ClientInput(79160000000 + number, "916", "", "UTC")


Change = Callable[[Alone], Any]


@pytest.mark.parametrize(
    ("answer_seconds", "change", "called"),
    [
        pytest.param(0.0, Alone.change_number, [0, 1, 9], id="number, in the queue"),
        pytest.param(20.0, Alone.change_number, [0, 1, 9], id="number, under way"),
        pytest.param(20.0, Alone.change_filter, [], id="filter, under way"),
    ],
)
def test_no_call_begins_with_what_a_claim_had_read_before_a_change(
    loop: VirtualLoop, tmp_path: Path, answer_seconds: float, change: Change, called: list[int]
) -> None:
    alone = Alone(loop)

    async def run() -> None:
        await alone.open(tmp_path, answer_seconds)
        await alone.start()
        await change(alone)
        await alone.leave()

    loop.run_until_complete(run())
    assert alone.numbers() == called


def test_what_is_closed_does_not_reach_the_queue(loop: VirtualLoop, tmp_path: Path) -> None:
    alone = Alone(loop, hours=CLOSED)
    queued: list[Claim] = []

    async def run() -> None:
        await alone.open(tmp_path, 0.0)
        put = alone.delivery.state.lines[0].queue.put

        def noted(mailing_id: int, claims: Collection[Claim]) -> None:
            queued.extend(claims)
            put(mailing_id, claims)

        alone.delivery.state.lines[0].queue.put = noted  # type: ignore[method-assign]
        await alone.start()
        await alone.leave()

    loop.run_until_complete(run())
    assert queued == []
    assert alone.numbers() == []
