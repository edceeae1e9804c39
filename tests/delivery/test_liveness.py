"""engine/delivery/liveness.py: whatever keeps work from moving is named in time; what explains itself never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.delivery.liveness import HeardStore
from engine.domain.audience import AudienceFilter
from engine.domain.liveness import STALL_SECONDS, Stall
from engine.domain.outcome import Answer
from engine.domain.routing import Ask
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.ports import Request, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from tests.delivery.test_clock_watch import SteppingClock
from tests.simulation.campaign import silence
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

CLIENTS = 120
BEGINS, ENDS, UNTIL = 5.0, 30.0, 55.0
"""Seconds: when a fault begins, when it is mended, when we look for the last time."""
LOOK_SECONDS = 0.5
MENDED_SECONDS = 15.0
"""So long an actor that failed may rest before it goes on."""
MAILING = MailingInput("hello", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, None, "resend")
SETTINGS = DeliverySettings(workers=2, queue_size=8)
Broken = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with silence():
        yield


class Breakable:
    """A store some of whose verbs do something else for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.shared = store.shared
        self.broken: dict[str, Broken] = {}

    def __getattr__(self, verb: str) -> Any:
        return self.broken.get(verb) or self.broken.get("*") or getattr(self._store, verb)


async def fails(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(0.1)
    raise StoreUnavailable("away")


async def is_bug(*_: Any, **__: Any) -> Any:
    raise ValueError("a row that cannot be read")


async def says_nothing(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(ENDS - BEGINS)  # about: nobody waits for it any longer than that
    raise StoreUnavailable("at last")


async def finds_nothing(*_: Any, **__: Any) -> Any:
    return []


async def finds_nothing_of_all(of: Sequence[Ask], **_: Any) -> Any:
    return [[] for _ in of]


class Case:
    """One engine in virtual time, looked at all the while."""

    def __init__(self, loop: VirtualLoop, settings: DeliverySettings, faults: Faults) -> None:
        self.loop, self.clock = loop, VirtualClock(loop)
        self.settings = settings
        self.provider = SimulatedProvider(self.clock, Random(1), faults)
        self.said: dict[float, list[Stall]] = {}

    async def begin(self, mailing: MailingInput = MAILING, clients: int = CLIENTS) -> None:
        """With one mailing for everybody."""
        self.real = await Store.open("sqlite://:memory:", inline=True)
        for number in range(clients):
            client = ClientInput(79160000000 + number, "916", "", "UTC")
            await self.real.create_client(client, by=Actor(), now_us=EPOCH_US)
        await self.real.create_mailing(mailing, by=Actor(), now_us=EPOCH_US)
        self.store: Any = Breakable(self.real)
        parts: dict[str, Any] = {"clock": self.clock, "random": Random(1), "settings": self.settings}
        self.delivery = await Delivery.join(self.store, self.provider, **parts, name="t", meter=NoMeter())
        self.began = self.loop.time()
        await self.delivery.start()

    async def look_until(self, seconds: float) -> None:
        """Look, as the health service does."""
        while (now := self.loop.time() - self.began) < seconds:
            self.said[now] = self.delivery.liveness.stalls()
            await asyncio.sleep(LOOK_SECONDS)

    async def end(self) -> None:
        """Leave nothing behind."""
        await self.delivery.stop(5)
        await self.real.close()

    def parts(self, since: float, until: float) -> set[str]:
        """Which parts were named in that time."""
        return {stall.part for at, found in self.said.items() if since <= at < until for stall in found}

    @property
    def first(self) -> float:
        """When the first stall was said, in seconds after the fault began."""
        return next(at for at, found in self.said.items() if found) - BEGINS


def case(loop: VirtualLoop, faults: Faults | None = None, **settings: Any) -> Case:
    slow = Faults(latency_seconds=(1.0, 1.0))  # work for the whole time: 2 messages a second
    return Case(loop, replace(SETTINGS, **settings), faults or slow)


@pytest.mark.parametrize(
    ("verbs", "broken", "part"),
    [
        (["*"], fails, "database"),
        (["*"], says_nothing, "database"),
        (["heartbeat", "recover", "claim", "record", "release", "renew"], fails, "database"),
        (["record"], fails, "recorder"),
        (["record"], is_bug, "recorder"),
        (["record"], says_nothing, "recorder"),
        (["claim"], fails, "ticker"),
        (["claim"], is_bug, "ticker"),
        (["claim"], says_nothing, "ticker"),
        (["claim"], finds_nothing, "ticker"),
        (["plans"], says_nothing, "database"),
    ],
)
def test_a_store_that_does_not_do_its_work_is_named(
    verbs: list[str], broken: Broken, part: str, loop: VirtualLoop
) -> None:
    seen = case(loop)

    async def run() -> None:
        await seen.begin()
        await seen.look_until(BEGINS)
        seen.store.broken = dict.fromkeys(verbs, broken)
        await seen.look_until(ENDS)
        seen.store.broken = {}
        await seen.look_until(UNTIL)
        await seen.end()

    loop.run_until_complete(run())
    # The queue lasts for some seconds: claims are not missed before.
    emptied = SETTINGS.queue_size * 1.0 / SETTINGS.workers if part == "ticker" else 0
    asked = SETTINGS.tick_seconds if verbs == ["plans"] else 0  # it is asked for that seldom
    assert seen.first <= STALL_SECONDS + 1 + emptied + asked
    assert part in seen.parts(BEGINS, ENDS)
    assert all(found for at, found in seen.said.items() if BEGINS + seen.first <= at < ENDS), "it does not flap"
    assert seen.parts(ENDS + MENDED_SECONDS, UNTIL) == set()


def test_a_slow_store_that_answers_has_not_stalled(loop: VirtualLoop) -> None:
    """Mailings are asked about one after another: a round takes longer than a stall needs to be named."""
    seen = case(loop)

    async def run() -> None:
        await seen.begin(clients=3)
        for verb in ("next_due_us", "claim"):
            seen.store.broken[verb] = partial(_slowly, getattr(seen.real, verb))
        for number in range(2, 10):
            await seen.real.create_mailing(MAILING, by=Actor(), now_us=EPOCH_US)
            await seen.delivery.refresh(number)
        await seen.look_until(UNTIL)
        await seen.end()

    loop.run_until_complete(run())
    assert seen.parts(0, UNTIL) == set()
    assert seen.provider.calls


async def _slowly(verb: Callable[..., Any], *args: Any, **named: Any) -> Any:
    await asyncio.sleep(1.6)
    return await verb(*args, **named)


def test_an_audience_that_does_not_grow_is_named(loop: VirtualLoop) -> None:
    seen = case(loop)

    async def run() -> None:
        await seen.begin(clients=1)
        seen.store.broken = {"build_audience": fails}
        await seen.real.create_mailing(MAILING, by=Actor(), now_us=EPOCH_US)
        await seen.delivery.refresh(2)
        await seen.look_until(20)
        await seen.end()

    loop.run_until_complete(run())
    assert seen.parts(0, 20) == {"audience_builder"}
    assert STALL_SECONDS <= seen.first + BEGINS <= SETTINGS.tick_seconds + STALL_SECONDS + 1


class Hanging(SimulatedProvider):
    """Never answers, and does not mind its time-out either."""

    async def send(self, request: Request) -> Answer:
        """See ``ports.Provider``."""
        return await super().send(request._replace(timeout_seconds=10_000))


def test_calls_that_never_end_are_named_but_not_within_their_time(loop: VirtualLoop) -> None:
    seen = case(loop)
    seen.provider = Hanging(seen.clock, Random(1), Faults(hang=1.0))
    timeout_seconds = SETTINGS.provider_timeout_seconds

    async def run() -> None:
        await seen.begin()
        await seen.look_until(40)
        await seen.end()

    loop.run_until_complete(run())
    assert seen.parts(0, timeout_seconds + STALL_SECONDS) == set()
    assert seen.parts(timeout_seconds + STALL_SECONDS + 1, 40) == {"workers"}


def test_workers_that_take_nothing_are_named(loop: VirtualLoop) -> None:
    seen = case(loop)

    async def run() -> None:
        await seen.begin()
        seen.delivery.state.lines[0].queue.take_now = lambda: None  # type: ignore[method-assign]
        await seen.look_until(20)
        await seen.end()

    loop.run_until_complete(run())
    assert "workers" in seen.parts(STALL_SECONDS, 20)


NIGHT = LocalHours(20 * 60, 21 * 60)
LATER = replace(MAILING, start_us=EPOCH_US + 3600 * 10**6)


@pytest.mark.parametrize(
    ("mailing", "faults", "settings"),
    [
        (MAILING, Faults(latency_seconds=(0.5, 0.5)), {}),
        (MAILING, Faults(latency_seconds=(9.9, 9.9)), {}),
        (MAILING, Faults(latency_seconds=(29.0, 29.0)), {"provider_timeout_seconds": 30.0}),
        (MAILING, Faults(hang=1.0), {"retry_base_seconds": 1.0}),
        (MAILING, Faults(refuse=1.0), {}),
        (MAILING, Faults(forbid=1.0), {}),
        (MAILING, Faults(throttle=1.0), {}),
        (MAILING, Faults(unavailable=0.5, lose_answer=0.3), {}),
        (MAILING, Faults(), {"provider_rate": 0.05}),
        (MAILING, Faults(), {"queue_size": 1, "workers": 1, "provider_rate": 0.05}),
        (replace(MAILING, rate_limit=0.05), Faults(), {}),
        (replace(MAILING, rate_limit=0.05, on_uncertain="not_sent"), Faults(), {}),
        (replace(MAILING, on_uncertain="not_sent"), Faults(), {"provider_rate": 0.05}),
        (replace(MAILING, local_hours=NIGHT), Faults(), {}),
        (LATER, Faults(), {}),
        (replace(MAILING, end_us=EPOCH_US + 20 * 10**6), Faults(latency_seconds=(1, 1)), {}),
        (MAILING, Faults(latency_seconds=(0.5, 0.5), store_seconds=(1.0, 2.0)), {}),
    ],
)
def test_what_is_slow_or_waits_for_a_reason_is_no_stall(
    mailing: MailingInput, faults: Faults, settings: dict[str, Any], loop: VirtualLoop
) -> None:
    seen = case(loop, faults, **settings)

    async def run() -> None:
        await seen.begin(mailing)
        await seen.look_until(60)
        await seen.end()

    loop.run_until_complete(run())
    assert {at: found for at, found in seen.said.items() if found} == {}


@pytest.mark.parametrize("of", ["engine", "mailing"])
def test_a_pause_is_no_stall_and_neither_is_a_stop(of: str, loop: VirtualLoop) -> None:
    seen = case(loop)

    async def run() -> None:
        await seen.begin()
        await seen.look_until(BEGINS)
        if of == "engine":
            await seen.real.set_control(sending_paused=True, by=Actor(), now_us=seen.clock.now_us())
            await seen.delivery.control_changed()
        else:
            await seen.real.set_paused(1, True, by=Actor(), now_us=seen.clock.now_us())
            await seen.delivery.refresh(1)
        await seen.look_until(ENDS)
        stopping = asyncio.ensure_future(seen.end())
        await seen.look_until(UNTIL)
        await stopping

    loop.run_until_complete(run())
    assert seen.parts(0, UNTIL) == set()


@pytest.mark.parametrize("back_seconds", [5, 15, 20, 40, 3600])
def test_a_clock_put_back_before_a_mailings_start_is_no_stall(loop: VirtualLoop, back_seconds: int) -> None:
    """The clock is put back while the ticker asks the store: it must not rest until the old time comes again."""
    seen = case(loop)
    seen.clock = clock = SteppingClock(loop)

    async def run() -> None:
        await seen.begin(replace(MAILING, start_us=EPOCH_US + 20 * 10**6))
        await seen.look_until(2 * SETTINGS.tick_seconds)  # the same moment as a tick's
        clock.back_us = back_seconds * 10**6
        await seen.look_until(UNTIL)
        await seen.end()

    loop.run_until_complete(run())
    assert seen.parts(0, UNTIL) == set()


@pytest.mark.parametrize("is_edit", [True, False])
@pytest.mark.parametrize(("moved", "parts"), [((1, 2), set()), ((2,), {"ticker"}), ((), {"ticker"})])
def test_a_mailing_that_is_held_between_two_views_has_not_stalled_and_hides_no_other(
    loop: VirtualLoop, moved: tuple[int, ...], parts: set[str], is_edit: bool
) -> None:
    """Found by a simulated life: its start was put off again and again, and each view came when it had passed."""
    seen = case(loop)

    async def hold(mailing_id: int) -> None:
        real: Store = seen.real
        when: dict[str, Any] = {"by": Actor(), "now_us": seen.clock.now_us()}
        if is_edit:
            put_off = replace(MAILING, start_us=seen.clock.now_us() + 100_000)
            await real.update_mailing(mailing_id, lambda _: put_off, **when)
        else:
            await real.set_paused(mailing_id, True, **when)
            await seen.delivery.refresh(mailing_id)
            await real.set_paused(mailing_id, False, **when)
        await seen.delivery.refresh(mailing_id)

    async def run() -> None:
        await seen.begin()
        await seen.real.create_mailing(MAILING, by=Actor(), now_us=EPOCH_US)
        await seen.delivery.refresh(2)
        seen.store.broken = {"claim": finds_nothing, "claim_all": finds_nothing_of_all}
        for second in range(0, int(3 * STALL_SECONDS), 5):
            await seen.look_until(second)
            for mailing_id in moved:
                await hold(mailing_id)
            await asyncio.sleep(0.2)
        await seen.end()

    loop.run_until_complete(run())
    assert seen.parts(0, 2 * STALL_SECONDS) == parts


@pytest.mark.parametrize(("verb", "answer"), [("claim", [1, 2, 3]), ("claim_all", [[1], [], [2, 3]])])
def test_what_is_claimed_has_moved_whether_of_one_mailing_or_of_several(verb: str, answer: list[Any]) -> None:
    async def claim() -> list[Any]:
        return answer

    store: Any = SimpleNamespace(**{verb: claim})
    heard = HeardStore(store, lambda is_there: None, lambda: 0)
    asyncio.run(getattr(heard, verb)())
    assert (heard.claimed, heard.changes) == (3, 1)
