"""Mailings with a rate far below one a second: they hold up nobody, and end in time (rules 4 and 8)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.domain.audience import AudienceFilter
from engine.domain.validate import MailingInput
from engine.store.rows import Actor
from tests.delivery.engines import Fleet
from tests.simulation.loop import EPOCH_US, VirtualLoop

SLOW = 0.01
SECOND_US = 1_000_000


async def register(fleet: Fleet, rate: float | None, *, end_seconds: float = 100_000) -> int:
    now_us = fleet.clock.now_us()
    asked = MailingInput("hello", AudienceFilter(), now_us, now_us + int(end_seconds * SECOND_US), None, rate, "resend")
    return (await fleet.store.create_mailing(asked, by=Actor(), now_us=now_us)).row.id


async def pending(fleet: Fleet, mailing_id: int) -> int:
    return (await fleet.store.get_mailing(mailing_id)).counts.pending


def test_more_of_them_than_the_queue_has_places_do_not_hold_up_another(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop, latency_seconds=(0.01, 0.02))

    async def run() -> tuple[int, int]:
        await fleet.open(tmp_path, 0)
        await fleet.add_clients(30)
        for _ in range(25):  # the queue has 20 places
            await register(fleet, SLOW)
        await fleet.join()
        await asyncio.sleep(10)
        began = fleet.clock.now_us()
        quick = await register(fleet, None)
        await fleet.engines[0].refresh(quick, is_new=True)
        await asyncio.sleep(10)
        left = await pending(fleet, quick)
        await asyncio.sleep(300)
        await fleet.leave()
        return left, began

    left, began_us = loop.run_until_complete(run())
    assert left == 0
    # The slow ones go on: each has a call in about a hundred seconds.
    assert len([call for call in fleet.provider.calls if call.began_us > began_us + 20 * SECOND_US]) >= 25 * 2


def test_one_that_ends_keeps_nothing_in_the_queue(loop: VirtualLoop, tmp_path: Path) -> None:
    fleet = Fleet(loop, latency_seconds=(0.01, 0.02))

    async def run() -> int:
        await fleet.open(tmp_path, 0)
        await fleet.add_clients(30)
        ended = await register(fleet, None, end_seconds=8)
        await fleet.join(provider_rate=SLOW)
        await asyncio.sleep(8 + 2)
        left = await pending(fleet, ended)
        await fleet.leave()
        return left

    assert loop.run_until_complete(run()) == 0
    assert fleet.clock.now_us() > EPOCH_US
