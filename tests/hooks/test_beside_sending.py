"""Sending does not wait for receivers: with webhooks that hang it ends when it ends without them (virtual time)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import cast

from engine.domain.events import TO_CHOOSE
from engine.hooks.caller import Answer, Caller
from engine.hooks.herald import Herald, Hooks
from engine.metrics import Metrics
from engine.store.event_rows import WebhookInput
from engine.store.rows import MailingRow
from tests.delivery.engines import Fleet
from tests.simulation.loop import VirtualLoop
from tests.store.world import BY

MESSAGES = 400


class Hanging:
    """Receivers that never answer."""

    def __init__(self) -> None:
        self.calls = 0

    async def post(self, _url: str, _headers: Mapping[str, str], _body: bytes) -> Answer:
        self.calls += 1
        await asyncio.sleep(15)
        return Answer(None, "no answer within 15 s")

    async def close(self) -> None:
        pass


async def no_forecast(_: MailingRow) -> None:
    return None


async def sending(fleet: Fleet, folder: Path, webhooks: int) -> tuple[float, int]:
    """Send everything; how long that took, in virtual seconds, and how many calls receivers got."""
    await fleet.open(folder, MESSAGES)
    receivers = Hanging()
    caller, herald = cast("Caller", receivers), Herald(fleet.store, fleet.clock, providers=list, foretell=no_forecast)
    hooks = Hooks(fleet.store, fleet.clock, Random(1), caller, herald, Metrics().webhook_called)
    for number in range(webhooks):
        wanted = WebhookInput(f"https://hangs-{number}", TO_CHOOSE)
        await fleet.store.create_webhook(wanted, "whsec_AAAA", by=BY, now_us=fleet.clock.now_us())
    hooks.start()
    await fleet.join(workers=8)
    began_us = fleet.clock.monotonic_us()
    while (await fleet.store.get_mailing(1)).counts.sent < MESSAGES:
        await asyncio.sleep(0.01)
    seconds = (fleet.clock.monotonic_us() - began_us) / 1e6
    await hooks.stop()
    await fleet.leave()
    return seconds, receivers.calls


def test_receivers_that_hang_slow_no_sending(tmp_path: Path) -> None:
    took = []
    for webhooks in (0, 8):
        loop = VirtualLoop()
        folder = tmp_path / str(webhooks)
        folder.mkdir()
        seconds, calls = loop.run_until_complete(sending(Fleet(loop, latency_seconds=(0.1, 0.1)), folder, webhooks))
        loop.close()
        took.append(seconds)
        assert calls == webhooks  # of one mailing each gets one event at a time
    assert took[1] <= took[0] * 1.02
