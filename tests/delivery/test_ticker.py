"""The ticker misses nothing, though its tick is an hour here: what ``./scripts/test`` met on a busy machine."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.store.rows import Actor
from engine.store.store import Store
from tests.databases import migrated
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

_SECOND_US = 1_000_000
CLIENTS = 40


class SlowStore(Store):
    """Each claim takes its time."""

    claim_seconds = 0.0

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        claims = await super().claim(*args, **kwargs)
        await asyncio.sleep(self.claim_seconds)
        return claims


async def deliver(
    folder: Path, provider: SimulatedProvider, clock: VirtualClock, starts: dict[str, float], **kwargs: Any
) -> None:
    """Deliver mailings (text → when it starts, seconds from now) with one worker for a minute and a half."""
    store = await SlowStore.open(migrated(folder / "mailing.db"), inline=True)
    for number in range(CLIENTS):
        client = ClientInput(79160000000 + number, "916", "", "UTC")
        await store.create_client(client, by=Actor(), now_us=EPOCH_US)
    for text, seconds in starts.items():
        start_us = EPOCH_US + int(seconds * _SECOND_US)
        mailing = MailingInput(text, AudienceFilter(), start_us, EPOCH_US + 10**10, None, None, "resend")
        await store.create_mailing(mailing, by=Actor(), now_us=EPOCH_US)
    store.claim_seconds = kwargs.pop("claim_seconds", 0.0)
    settings = DeliverySettings(workers=1, tick_seconds=3600, **kwargs)
    delivery = await Delivery.join(
        store, provider, clock=clock, random=Random(1), settings=settings, name="t", meter=NoMeter()
    )
    await delivery.start()
    await asyncio.sleep(90)
    await delivery.stop(5)
    await store.close()


def test_room_that_one_mailing_leaves_is_given_to_the_next_at_once(loop: VirtualLoop, tmp_path: Path) -> None:
    """The first has no more messages, but was given the only place: the second must not wait for the tick."""
    clock = VirtualClock(loop)
    provider = SimulatedProvider(clock, Random(1), Faults(latency_seconds=(0.05, 0.05)))
    loop.run_until_complete(deliver(tmp_path, provider, clock, {"first": 0, "second": 0}, queue_size=1))
    assert sorted(call.text for call in provider.calls) == ["first"] * CLIENTS + ["second"] * CLIENTS
    assert provider.calls[-1].began_us < EPOCH_US + 5 * _SECOND_US


def test_mailings_take_turns_when_there_are_more_than_places(loop: VirtualLoop, tmp_path: Path) -> None:
    clock = VirtualClock(loop)
    provider = SimulatedProvider(clock, Random(1), Faults(latency_seconds=(0.05, 0.05)))
    starts: dict[str, float] = dict.fromkeys("abc", 0)
    loop.run_until_complete(deliver(tmp_path, provider, clock, starts, queue_size=2))
    order = [call.text for call in provider.calls]
    assert len(order) == 3 * CLIENTS
    # Any nine in a row: about three of each, from the first to the last.
    shares = [Counter(order[first : first + 9]) for first in range(len(order) - 9)]
    assert all(2 <= share[text] <= 4 for share in shares for text in starts), shares


def test_a_start_that_comes_while_the_store_is_busy_is_not_missed(loop: VirtualLoop, tmp_path: Path) -> None:
    """The only worker is in a call, so nothing else wakes the ticker for a good while."""
    clock = VirtualClock(loop)
    provider = SimulatedProvider(clock, Random(1), Faults(latency_seconds=(5.0, 5.0)))
    # The first mailing's claim, of half the queue, lasts from 10 s to 11 s; its lane runs low a minute later.
    deliveries = deliver(tmp_path, provider, clock, {"first": 10, "second": 10.5}, queue_size=60, claim_seconds=1)
    loop.run_until_complete(deliveries)
    assert [call.text for call in provider.calls[:4]] == ["first", "first", "second", "first"]
