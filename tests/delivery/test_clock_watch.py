"""Rule 11: a clock that steps back by hours delays nothing by more than a minute."""

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
from tests.delivery.test_contained_bugs import NoMeter
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.simulation.world import Faults, SimulatedProvider

HOUR_US = 3_600_000_000
MINUTE_SECONDS = 60


class SteppingClock(VirtualClock):
    """Virtual time that somebody puts back."""

    back_us = 0

    def now_us(self) -> int:
        return super().now_us() - self.back_us


class Bench:
    """Twenty clients, a mailing for hours, a provider that is busy at first, and an engine or several in turn."""

    def __init__(self, loop: VirtualLoop, path: Path) -> None:
        self.clock, self.path, self.faults = SteppingClock(loop), path, Faults(unavailable=1.0)
        self.provider = SimulatedProvider(self.clock, Random(1), self.faults)

    async def open(self) -> None:
        self.store = await Store.open(f"sqlite://{self.path}", inline=True)

    async def register(self) -> int:
        clients = [ClientInput(79160000000 + number, "916", "", "UTC") for number in range(20)]
        now_us = self.clock.now_us()
        await self.store.import_clients(clients, by=Actor(), now_us=now_us)
        asked = MailingInput("7", AudienceFilter(), now_us - 9 * HOUR_US, now_us + 9 * HOUR_US, None, None, "resend")
        return (await self.store.create_mailing(asked, by=Actor(), now_us=now_us)).row.id

    async def engine(self) -> Delivery:
        # The tick is an hour: whatever is found in time is not found by it.
        settings = DeliverySettings(workers=2, retry_base_seconds=20, retry_max_seconds=20, tick_seconds=3600)
        delivery = await Delivery.join(
            self.store, self.provider, clock=self.clock, random=Random(2), settings=settings, name="1", meter=NoMeter()
        )
        await delivery.start()
        return delivery

    async def sent(self, mailing_id: int) -> int:
        return (await self.store.get_mailing(mailing_id)).counts.sent


@pytest.mark.parametrize("hours", [0.1, 2, 5])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_put_off_is_not_put_off_by_the_step(
    loop: VirtualLoop, tmp_path: Path, hours: float, restarts: bool
) -> None:
    async def scenario() -> None:
        bench = Bench(loop, tmp_path / "mailing.db")
        await bench.open()
        mailing_id = await bench.register()
        delivery = await bench.engine()
        await asyncio.sleep(30)
        assert len(bench.provider.calls) > 5
        bench.faults.unavailable = 0.0
        if restarts:
            await delivery.stop(5)
        bench.clock.back_us = round(hours * HOUR_US)
        if restarts:
            delivery = await bench.engine()
        await asyncio.sleep(MINUTE_SECONDS)
        assert await bench.sent(mailing_id) == 20
        await delivery.stop(5)
        await bench.store.close()

    loop.run_until_complete(scenario())


def test_a_step_is_told_once_and_a_small_one_is_none(loop: VirtualLoop, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(loop, tmp_path / "mailing.db")
        await bench.open()
        delivery = await bench.engine()
        now_us = bench.clock.now_us()
        assert await bench.store.turn_clock_back(now_us + 1) == 0
        assert await bench.store.turn_clock_back(now_us - HOUR_US) == HOUR_US
        assert await bench.store.turn_clock_back(now_us - HOUR_US) == 0
        await delivery.stop(5)
        await bench.store.close()

    loop.run_until_complete(scenario())
