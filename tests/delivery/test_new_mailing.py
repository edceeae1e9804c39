"""A mailing that one engine has registered and another one stops at once. Found by a simulated life."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.domain.audience import AudienceFilter
from engine.domain.validate import MailingInput
from engine.store.rows import Actor
from tests.delivery.engines import Fleet
from tests.simulation.loop import EPOCH_US, VirtualLoop


def test_a_pause_through_an_engine_that_does_not_know_the_mailing_yet_binds_those_that_do(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    fleet = Fleet(loop, latency_seconds=(0.02, 0.02))

    async def run() -> int:
        await fleet.open(tmp_path, 60)
        knows, does_not = await fleet.join(workers=1), await fleet.join(workers=1)
        await fleet.done(60)
        asked = MailingInput("new", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, None, "resend")
        created = await fleet.store.create_mailing(asked, by=Actor(), now_us=fleet.clock.now_us())
        refreshing = asyncio.ensure_future(knows.refresh(created.row.id, is_new=True))
        while not any(call.text == "new" for call in fleet.provider.calls):
            await asyncio.sleep(0.001)
        await refreshing
        assert does_not.state.book.get(created.row.id) is None
        await fleet.store.set_paused(created.row.id, True, by=Actor(), now_us=fleet.clock.now_us())
        await does_not.refresh(created.row.id)
        returned_us = fleet.clock.now_us()
        await asyncio.sleep(5)
        await fleet.leave()
        return sum(call.text == "new" and call.began_us > returned_us for call in fleet.provider.calls)

    assert loop.run_until_complete(run()) == 0
