"""Several engines on one database, in virtual time: each has a line of its own to the store, which may be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import Control, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from engine.store.verbs import bump_revision
from tests.databases import migrated
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider


class SteppingClock(VirtualClock):
    """Virtual time that somebody sets."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


class SharedStore(Store):
    """A store that says of itself that others may use it, and has a clock of its own."""

    shared = True
    clock: SteppingClock

    async def heartbeat(self, *args: Any, **kwargs: Any) -> Control:
        return self._timed(await super().heartbeat(*args, **kwargs))

    async def read_control(self, *args: Any, **kwargs: Any) -> Control:
        return self._timed(await super().read_control(*args, **kwargs))

    def _timed(self, control: Control) -> Control:
        return replace(control, clock_us=self.clock.now_us())


class Line:
    """One engine's way to the store."""

    shared = True

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store, self._clock = store, clock
        self.is_cut = False
        self.asked: list[tuple[str, int]] = []
        """Verbs that the store has carried out, and when."""
        self.waits: dict[str, asyncio.Event] = {}
        """Verbs that wait until the event is set, as for a lock."""
        self.fails: dict[str, Exception] = {}
        self.slow_answers: dict[str, asyncio.Event] = {}
        """Verbs that are carried out, and answered when the event is set."""

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, verb)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._clock.sleep(0.001)
            if verb in self.waits:
                await self.waits[verb].wait()
            if self.is_cut:
                raise StoreUnavailable("the line is cut")
            if verb in self.fails:
                raise self.fails[verb]
            result = await method(*args, **kwargs)
            self.asked.append((verb, self._clock.monotonic_us()))
            await self._clock.sleep(0.001)
            if verb in self.slow_answers:
                await self.slow_answers[verb].wait()
            return result

        return call

    def count(self, verb: str, since_us: int = 0) -> int:
        """How often the verb has been carried out since then (monotonic)."""
        return sum(name == verb and at_us >= since_us for name, at_us in self.asked)


class Fleet:
    """A store with clients and a mailing, a provider, and as many engines as join."""

    def __init__(self, loop: VirtualLoop, *, latency_seconds: tuple[float, float] = (0.5, 1.5)) -> None:
        self.loop, self.clock = loop, VirtualClock(loop)
        self.provider = SimulatedProvider(self.clock, Random(1), Faults(latency_seconds=latency_seconds))
        self.lines: list[Line] = []
        self.engines: list[Delivery] = []
        self.clocks: list[SteppingClock] = []
        self.store: SharedStore

    async def open(self, folder: Path, clients: int) -> None:
        """Make the database: a mailing for all clients, which may be sent at once."""
        self.store = await SharedStore.open(migrated(folder / "mailing.db"), inline=True)
        self.store.clock = SteppingClock(self.loop)
        await self.add_clients(clients)
        asked = MailingInput("hello", AudienceFilter(), EPOCH_US - 10**11, EPOCH_US + 10**11, None, None, "resend")
        await self.store.create_mailing(asked, by=Actor(), now_us=EPOCH_US)

    async def add_clients(self, number: int) -> None:
        """Clients 1, 2, … with the numbers 79160000000, 79160000001, …"""
        rows = [ClientInput(79160000000 + place, "916", "", "UTC") for place in range(number)]
        await self.store.import_clients(rows, by=Actor(), now_us=self.clock.now_us())

    async def join(
        self, *, lease_seconds: float = 60.0, workers: int = 4, ahead_us: int = 0, provider_rate: float = 0.0
    ) -> Delivery:
        """Start one more engine, on a machine whose clock is ahead by so much."""
        line, clock = Line(self.store, self.clock), SteppingClock(self.loop)
        clock.ahead_us = ahead_us
        engine = await Delivery.join(
            line,  # type: ignore[arg-type]
            self.provider,
            clock=clock,
            random=Random(len(self.engines)),
            settings=DeliverySettings(
                workers=workers, queue_size=20, lease_seconds=lease_seconds, provider_rate=provider_rate
            ),
            name=f"test:{len(self.engines)}",
            meter=NoMeter(),
        )
        await engine.start()
        self.lines.append(line)
        self.clocks.append(clock)
        self.engines.append(engine)
        return engine

    async def change_number(self, client_id: int, number: int) -> None:
        """Somebody changes it through an engine that is not here, which tells those who are."""
        given = ClientInput(number, "916", "", "UTC")
        await self.store.update_client(client_id, lambda _: given, by=Actor(), now_us=self.clock.now_us())
        await self.store._db.transaction(bump_revision)

    def cut(self, is_cut: bool) -> None:
        """Cut or mend all lines at once: the database is away."""
        for line in self.lines:
            line.is_cut = is_cut

    async def leave(self, *engines: Delivery) -> None:
        """Stop these engines and close the store."""
        for engine in engines or self.engines:
            await engine.stop(20)
        await self.store.close()

    async def done(self, seconds: float) -> None:
        """Wait until no message is pending, for so many seconds at most."""
        async with asyncio.timeout(seconds):
            while any(plan.pending for plan in await self.store.plans(self.clock.now_us())):
                await asyncio.sleep(0.5)

    def repeats(self) -> Sequence[int]:
        """Messages that were called more than once."""
        return [id for id, calls in self.provider.calls_by_message().items() if len(calls) > 1]
