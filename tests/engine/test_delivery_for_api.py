"""Delivery as the API sees it; how it is said that something has stalled: tests/gateway/routes/test_stalled.py."""

from __future__ import annotations

from random import Random

import pytest

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.delivery_for_api import DeliveryForApi
from engine.domain.message import Event
from engine.domain.routing import FBRQ_ID
from engine.ports import Record
from engine.provider_window import ProviderWindow
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

CALL_US = 100_000
WORKERS = 10


def test_the_speed_to_expect_follows_the_provider_and_the_rate() -> None:
    loop = VirtualLoop()
    clock, window = VirtualClock(loop), ProviderWindow()

    async def run() -> list[float]:
        store = await Store.open("sqlite://:memory:", inline=True)
        provider = SimulatedProvider(clock, Random(1), Faults())
        settings = DeliverySettings(workers=WORKERS, provider_rate=50.0)
        delivery = await Delivery.join(
            store, provider, clock=clock, random=Random(1), settings=settings, name="t", meter=NoMeter()
        )
        await delivery.start()
        seen = DeliveryForApi(delivery, {FBRQ_ID: window})
        speeds = [seen.forecast_rate()]
        await store.set_control(provider_rate=0.0, by=Actor(), now_us=EPOCH_US)
        await seen.control_changed()
        speeds.append(seen.forecast_rate())
        window.add([Record(1, 1, 1, 1, Event.ACCEPT, 0, CALL_US, 200, "", 0)])
        speeds.append(seen.forecast_rate())
        await delivery.stop(5)
        await store.close()
        return speeds

    try:
        # The last one is told by the middle of the bucket in which 0.1 s is counted.
        assert loop.run_until_complete(run()) == [50, 0, pytest.approx(WORKERS / 0.1, rel=0.2)]
    finally:
        loop.close()
