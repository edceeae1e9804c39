"""One engine with several providers, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from engine.delivery.delivery import Delivery, DeliverySettings, Supplier
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import Abilities, Request
from engine.provider.spec import ProviderSpec
from engine.store.rows import Actor, MessageQuery, MessageRow, Page
from engine.store.store import Store
from tests.databases import migrated
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

WORKERS = 4
LATENCY = (0.1, 0.1)


class Listening(SimulatedProvider):
    """Remembers all that it is told."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, Random(1), Faults(latency_seconds=LATENCY))
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Any:
        self.requests.append(request)
        return await super().send(request)


class Town:
    """A store with clients, an engine, and a provider for each spec."""

    def __init__(self, loop: VirtualLoop, *specs: ProviderSpec, tick_seconds: float = 5.0) -> None:
        self.loop, self.clock, self.specs = loop, VirtualClock(loop), specs
        self.providers = {spec.name: Listening(self.clock) for spec in specs}
        self.settings = DeliverySettings(queue_size=40, tick_seconds=tick_seconds, retry_base_seconds=1)
        self.asked: dict[int, MailingInput] = {}
        self.store: Store
        self.engine: Delivery

    def can(self, name: str, **abilities: bool) -> None:
        """A provider is able to do this."""
        self.providers[name].abilities = Abilities(**abilities)

    async def open(self, folder: Path, clients: Sequence[int] = range(20)) -> None:
        """Clients 1, 2, … with these numbers beyond 79160000000; the engine runs."""
        self.store = await Store.open(migrated(folder / "mailing.db"), inline=True)
        given = [ClientInput(79160000000 + number, "916", "", "UTC") for number in clients]
        await self.store.import_clients(given, by=Actor(), now_us=EPOCH_US)
        suppliers = [Supplier(spec, self.providers[spec.name]) for spec in self.specs]
        self.engine = await Delivery.join(
            self.store,
            suppliers,
            clock=self.clock,
            random=Random(1),
            settings=self.settings,
            name="t",
            meter=NoMeter(),
        )
        await self.engine.start()

    async def register(self, text: str = "hello", seconds: float = 1000, **more: Any) -> int:
        """A mailing for everyone, which may be sent at once; its id."""
        now_us = self.clock.now_us()
        asked = MailingInput(text, AudienceFilter(), now_us, now_us + int(seconds * 1e6), None, None, "resend", **more)
        mailing_id = (await self.store.create_mailing(asked, by=Actor(), now_us=now_us)).row.id
        self.asked[mailing_id] = asked
        await self.engine.refresh(mailing_id, is_new=True)
        return mailing_id

    async def edit(self, mailing_id: int, **changes: Any) -> None:
        """Change a mailing."""
        asked = replace(self.asked[mailing_id], **changes)
        await self.store.update_mailing(mailing_id, lambda _: asked, by=Actor(), now_us=self.clock.now_us())
        await self.engine.refresh(mailing_id)

    async def close(self) -> None:
        await self.engine.stop(30)
        await self.store.close()

    async def until(self, sent: int, seconds: float = 100) -> float:
        """Wait until so many messages are sent; how long it took."""
        began = self.loop.time()
        while await self.sent() < sent:
            assert self.loop.time() - began < seconds, await self.store.list_mailings(None, Page(), now_us=EPOCH_US)
            await asyncio.sleep(0.05)
        return self.loop.time() - began

    async def sent(self) -> int:
        """How many messages are sent, of all mailings."""
        found = await self.store.list_mailings(None, Page(), now_us=self.clock.now_us())
        return sum(row.counts.sent for row in found.items)

    async def messages(self, mailing_id: int) -> list[MessageRow]:
        return list((await self.store.list_messages(MessageQuery(mailing_id=mailing_id), Page(1000))).items)

    def ids(self, name: str) -> list[int]:
        """The messages that a provider was called for, one a call."""
        return [request.message_id for request in self.providers[name].requests]
