"""Couriers in virtual time: at least once, in order per mailing, and nobody waits for somebody else's receiver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from engine.domain.events import EventKind, Happening
from engine.domain.webhook import CALLS_MAX, TRIED_SECONDS
from engine.hooks.caller import Answer, Caller
from engine.hooks.courier import LEASE_SECONDS, Courier
from engine.hooks.herald import Herald, Hooks, ProviderStanding
from engine.metrics import Metrics
from engine.ports import StoreUnavailable
from engine.store import Store
from engine.store.event_rows import WebhookInput
from engine.store.outbox import add_events
from engine.store.rows import MailingRow, Page
from tests.databases import migrated
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.store.world import BY

STARTED, ENDED = EventKind.MAILING_STARTED, EventKind.MAILING_ENDED
OK = Answer(200, "ok")
DAY_SECONDS = 86_400


class Receivers:
    """Stands for the caller: answers by host, and remembers what it was told."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.told: list[tuple[float, str, str, Any]] = []
        """When (seconds), whom, ``webhook-id``, the event's stream."""
        self.answers: dict[str, Callable[[], Awaitable[Answer]]] = {}
        self.under_way = self.most_under_way = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        host = url.removeprefix("https://")
        seconds = self._clock.monotonic_us() / 1e6
        self.told.append((seconds, host, headers["webhook-id"], json.loads(body)["data"].get("stream")))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self.answers[host]() if host in self.answers else OK
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        pass

    def ids(self, host: str) -> list[str]:
        return [id for _, to, id, _ in self.told if to == host]


class World:
    """A store, an engine's hooks, and receivers."""

    def __init__(self, store: Store, loop: VirtualLoop) -> None:
        self.store, self.clock = store, VirtualClock(loop)
        self.receivers = Receivers(self.clock)
        self.standings: list[ProviderStanding] = []
        self.metrics = Metrics()

    def hooks(self) -> Hooks:
        herald = Herald(self.store, self.clock, providers=lambda: self.standings, foretell=self._foretell)
        receivers = cast("Caller", self.receivers)
        return Hooks(self.store, self.clock, Random(1), receivers, herald, self.metrics.webhook_called)

    def calls(self, webhook_id: int, result: str) -> float | None:
        """What the engine's metrics say of the calls to a webhook."""
        return self.metrics.registry.get_sample_value(
            "mailing_webhook_calls_total", {"webhook_id": str(webhook_id), "result": result}
        )

    async def _foretell(self, mailing: MailingRow) -> None:
        return None

    async def webhook(self, host: str) -> int:
        wanted = WebhookInput(f"https://{host}", (STARTED, ENDED, EventKind.PROVIDER_DOWN, EventKind.PROVIDER_UP))
        made, _ = await self.store.create_webhook(wanted, "whsec_AAAA", by=BY, now_us=self.clock.now_us())
        return made.row.id

    async def happen(self, *streams: int, kind: EventKind = STARTED) -> None:
        events = [Happening(kind, self.clock.now_us(), stream, {"stream": stream}) for stream in streams]
        await self.store._db.transaction(lambda tx: add_events(tx, events))

    async def states(self, webhook_id: int) -> list[str]:
        page = await self.store.list_deliveries(webhook_id, None, Page(1000))
        return [row.state.public for row in reversed(page.items)]


Story = Callable[[World], Coroutine[Any, Any, None]]


@pytest.fixture
def tell(loop: VirtualLoop, tmp_path: Path) -> Callable[[Story], None]:
    """Runs a story with hooks that have started."""

    async def run(story: Story) -> None:
        store = await Store.open(migrated(tmp_path / "mailing.db"), inline=True)
        world = World(store, loop)
        hooks = world.hooks()
        hooks.start()
        try:
            await story(world)
        finally:
            await hooks.stop()
            await store.close()

    return lambda story: loop.run_until_complete(run(story))


@pytest.fixture
def rest(loop: VirtualLoop, tmp_path: Path) -> Callable[[Story], None]:
    """Runs a story without hooks."""

    async def run(story: Story) -> None:
        store = await Store.open(migrated(tmp_path / "mailing.db"), inline=True)
        try:
            await story(World(store, loop))
        finally:
            await store.close()

    return lambda story: loop.run_until_complete(run(story))


async def busy() -> Answer:
    return Answer(503, "busy")


async def never() -> Answer:
    await asyncio.sleep(15)
    return Answer(None, "no answer within 15 s")


def test_events_are_told_soon_and_in_order(tell: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        webhook_id = await world.webhook("a")
        await world.happen(1, 2, 1, 1, 2)
        await asyncio.sleep(1)
        told = [(stream, id) for _, _, id, stream in world.receivers.told]
        assert sorted(told) == [(1, "evt_1"), (1, "evt_3"), (1, "evt_4"), (2, "evt_2"), (2, "evt_5")]
        assert [id for stream, id in told if stream == 1] == ["evt_1", "evt_3", "evt_4"]
        assert await world.states(webhook_id) == ["delivered"] * 5

    tell(story)


def test_a_receiver_that_hangs_holds_up_no_other(tell: Callable[[Story], None]) -> None:
    """Nor does it get more than its share of calls, however much waits for it."""

    async def story(world: World) -> None:
        for number in range(5):
            await world.webhook(f"hangs-{number}")
            world.receivers.answers[f"hangs-{number}"] = never
        await world.webhook("well")
        for second in range(20):
            await world.happen(*range(second * 10 + 1, second * 10 + 11))
            await asyncio.sleep(1)
            assert len(world.receivers.ids("well")) >= second * 10
        assert len(world.receivers.ids("well")) == 200
        assert world.receivers.most_under_way <= 6 * CALLS_MAX
        assert len(world.receivers.ids("hangs-0")) <= CALLS_MAX * 2

    tell(story)


async def days_pass(world: World, webhook_id: int, until_seconds: float) -> None:
    """Only a courier works, woken when something is due: a herald that looks twice a second makes days long."""
    counted = world.metrics.webhook_called
    courier = Courier(webhook_id, world.store, world.receivers.post, world.clock, Random(1), counted)
    running = asyncio.ensure_future(courier.run())
    while await world.store.publish(world.clock.now_us()):
        pass
    while (due_us := (await world.store.event_view(0)).due.get(webhook_id)) is not None:
        seconds = max(0.0, (due_us - world.clock.now_us()) / 1e6)
        if world.clock.monotonic_us() / 1e6 + seconds > until_seconds:
            break
        await asyncio.sleep(seconds)
        courier.wake()
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])


def test_it_is_tried_for_three_days_with_one_id_and_then_given_up_visibly(rest: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        webhook_id = await world.webhook("dead")
        world.receivers.answers["dead"] = busy
        await world.happen(1)
        await world.happen(1, kind=ENDED)
        with capture_logs() as logs:
            await days_pass(world, webhook_id, 4 * DAY_SECONDS)
        first = [seconds for seconds, _, id, _ in world.receivers.told if id == "evt_1"]
        pauses = [later - earlier for earlier, later in pairwise(first)]
        assert pauses[0] < 6
        assert 1800 <= max(pauses) <= 3601
        assert TRIED_SECONDS - 3601 <= first[-1] - first[0] <= TRIED_SECONDS
        assert await world.states(webhook_id) == ["given_up", "given_up"]
        given_up = [line for line in logs if line["event"] == "webhook.given_up"]
        assert [line["event_id"] for line in given_up] == [1, 2]
        tries = len(world.receivers.ids("dead"))
        assert [world.calls(webhook_id, each) for each in ("delivered", "failed", "given_up")] == [0, tries - 2, 2]
        # What comes later is told as before: nobody has to switch anything on.
        world.receivers.answers.clear()
        await world.happen(1)
        await days_pass(world, webhook_id, 4 * DAY_SECONDS)
        assert (await world.states(webhook_id))[-1] == "delivered"

    rest(story)


def test_what_was_not_told_is_told_when_the_receiver_is_back(rest: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        webhook_id = await world.webhook("a")
        world.receivers.answers["a"] = busy
        await world.happen(1, 1, 1, 2)
        await days_pass(world, webhook_id, DAY_SECONDS)
        world.receivers.answers.clear()
        await days_pass(world, webhook_id, DAY_SECONDS + 3601)
        assert await world.states(webhook_id) == ["delivered"] * 4
        ones = [id for _, _, id, stream in world.receivers.told if stream == 1]
        assert list(dict.fromkeys(ones)) == ["evt_1", "evt_2", "evt_3"] == ones[-3:]

    rest(story)


def test_an_engine_that_dies_in_a_call_leaves_it_to_its_lease(tell: Callable[[Story], None]) -> None:
    """And one whose store is away when the call has ended does the same."""

    async def story(world: World) -> None:
        webhook_id = await world.webhook("a")
        (store, end_attempt) = world.store, world.store.end_attempt
        await world.happen(1)

        async def away(*_: Any, **__: Any) -> bool:
            raise StoreUnavailable

        store.end_attempt = away  # type: ignore[method-assign]
        await asyncio.sleep(1)
        store.end_attempt = end_attempt  # type: ignore[method-assign]
        await asyncio.sleep(LEASE_SECONDS + 1)
        assert world.receivers.ids("a") == ["evt_1", "evt_1"]
        assert await world.states(webhook_id) == ["delivered"]

    tell(story)


def test_two_engines_tell_each_event_once(tell: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        other = world.hooks()
        other.start()
        webhook_id = await world.webhook("a")
        for _ in range(8):
            await world.happen(*range(1, 6))
            await asyncio.sleep(0.3)
        await asyncio.sleep(1)
        ids = world.receivers.ids("a")
        assert len(ids) == len(set(ids)) == 40
        assert set(await world.states(webhook_id)) == {"delivered"}
        await other.stop()

    tell(story)


def test_a_webhook_that_is_gone_or_off_is_told_nothing(tell: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        off, gone = await world.webhook("off"), await world.webhook("gone")
        await asyncio.sleep(1.2)
        now_us = world.clock.now_us()
        await world.happen(1)
        await world.store.publish(now_us)
        await world.store.update_webhook(off, lambda row: WebhookInput(row.url, row.kinds, False), by=BY, now_us=now_us)
        await world.store.delete_webhook(gone, by=BY, now_us=now_us)
        await asyncio.sleep(5)
        assert world.receivers.told == []
        await world.store.update_webhook(off, lambda row: WebhookInput(row.url, row.kinds, True), by=BY, now_us=now_us)
        await asyncio.sleep(1)
        assert world.receivers.ids("off") == ["evt_1"]

    tell(story)


def test_a_provider_that_goes_and_comes_is_told_once_each(tell: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await world.webhook("a")
        await world.store.provider_ids(["fbrq"])
        world.store.engine_id = await world.store.register_engine("host:1", 4, world.clock.now_us(), 0)
        for is_down, has_answered in ((False, False), (True, True), (True, False), (False, True), (False, True)):
            world.standings[:] = [ProviderStanding("fbrq", is_down, has_answered, "503")]
            await asyncio.sleep(3)
        told = [id for _, _, id, _ in world.receivers.told]
        assert told == ["evt_1", "evt_2"]
        seconds = [at for at, *_ in world.receivers.told]
        assert [round(at) for at in seconds] == [3, 9]

    tell(story)
