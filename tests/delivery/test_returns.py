"""A claim given back may have been given back already, though the store said that it failed (a connection
that broke during COMMIT): claimed anew it has the attempt it had before, so the second try would undo that claim,
and two workers would call. Found by the simulation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import Return, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.life import NoMeter
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, SimulatedProvider

CLIENTS = 4


class BreaksDuringCommit(Store):
    """The first time claims are given back, that is stored, but the caller hears that it is not."""

    log: list[str]
    broken = False

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        claims = await super().claim(*args, **kwargs)
        self.log.append(f"claim {len(claims)}")
        return claims

    async def release(self, returns: Sequence[Return], *, owner: int) -> int:
        released = await super().release(returns, owner=owner)
        self.log.append(f"release {len(returns)}")
        if not self.broken:
            self.broken = True
            raise StoreUnavailable("the connection broke")
        return released


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


def test_nothing_is_claimed_while_it_is_not_known_what_was_given_back(loop: VirtualLoop, tmp_path: Path) -> None:
    provider = SimulatedProvider(VirtualClock(loop), Random(1), Faults(latency_seconds=(3.0, 3.0)))

    async def run() -> list[str]:
        store = await BreaksDuringCommit.open(f"sqlite://{tmp_path}/mailing.db", inline=True)
        store.log = []
        client_ids = await _furnish(store)
        settings = DeliverySettings(workers=1, queue_size=50, provider_timeout_seconds=10.0)
        clock = VirtualClock(loop)
        delivery = Delivery(
            store, provider, clock=clock, random=Random(1), settings=settings, name="test:1", meter=NoMeter()
        )
        await delivery.start()
        await asyncio.sleep(1)
        # One is being called, the others wait in the queue and go back to be read anew.
        delivery.clients_changed(client_ids)
        await asyncio.sleep(60)
        await delivery.stop(5)
        await store.close()
        return store.log

    log = [line for line in loop.run_until_complete(run()) if line != "claim 0"]
    assert log == ["claim 4", "release 3", "release 3", "claim 3"]
    assert Counter(call.message_id for call in provider.calls) == dict.fromkeys(range(1, CLIENTS + 1), 1)


async def _furnish(store: Store) -> list[int]:
    given = [ClientInput(79160000000 + i, "916", "", "UTC") for i in range(CLIENTS)]
    clients = [await store.create_client(one, by=Actor(), now_us=EPOCH_US) for one in given]
    mailing = MailingInput("hello", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, None, "resend")
    await store.create_mailing(mailing, by=Actor(), now_us=EPOCH_US)
    return [client.row.id for client in clients]
