"""Workers are changed while the engine runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

CLIENTS = 300


@pytest.mark.parametrize("slots", [0, 40])
def test_so_many_calls_at_a_time_as_there_are_workers_and_fewer_or_more_when_that_changes(
    loop: VirtualLoop, slots: int, tmp_path: Path
) -> None:
    clock = VirtualClock(loop)
    provider = SimulatedProvider(clock, Random(1), Faults(latency_seconds=(1.0, 1.0)))

    async def run() -> list[int]:
        store = await Store.open(f"sqlite://{tmp_path}/mailing.db", inline=True)
        given = [ClientInput(79160000000 + i, "916", "", "UTC") for i in range(CLIENTS)]
        await store.import_clients(given, by=Actor(), now_us=EPOCH_US)
        mailing = MailingInput("hello", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, None, "resend")
        await store.create_mailing(mailing, by=Actor(), now_us=EPOCH_US)
        settings = DeliverySettings(workers=12, slots=slots, queue_size=50)
        delivery = await Delivery.join(
            store, provider, clock=clock, random=Random(1), settings=settings, name="test:1", meter=NoMeter()
        )
        await delivery.start()
        under_way = []
        for workers in (12, 2, 20):
            await store.set_control(workers=workers, by=Actor(), now_us=clock.now_us())
            await delivery.control_changed()
            await asyncio.sleep(3.5)
            under_way.append(sum(call.ended_us is None for call in provider.calls))
        await delivery.stop(5)
        await store.close()
        return under_way

    assert loop.run_until_complete(run()) == [12, 2, 20]
