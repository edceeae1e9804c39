"""Claims that go back, or should: what the simulation has found."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import Return, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from tests.databases import migrated
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, NoMeter, SimulatedProvider

CLIENTS = 4


class BreaksDuringCommit(Store):
    """The first time claims are given back, that is stored, but the caller hears that it is not."""

    log: list[str]
    broken = False

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        claims = await super().claim(*args, **kwargs)
        self.log.append(f"claim {len(claims)}")
        return claims

    async def release(self, returns: Sequence[Return], *, owner: int, now_us: int) -> int:
        released = await super().release(returns, owner=owner, now_us=now_us)
        self.log.append(f"release {len(returns)}")
        if not self.broken:
            self.broken = True
            raise StoreUnavailable("the connection broke")
        return released


def test_nothing_is_claimed_while_it_is_not_known_what_was_given_back(loop: VirtualLoop, tmp_path: Path) -> None:
    """A connection that breaks during COMMIT. Claimed anew, a message has the attempt it had before: a second try
    to give it back would undo that claim, and two workers would call."""
    provider = SimulatedProvider(VirtualClock(loop), Random(1), Faults(latency_seconds=(3.0, 3.0)))

    async def run() -> list[str]:
        store = await BreaksDuringCommit.open(migrated(tmp_path / "mailing.db"), inline=True)
        store.log = []
        client_ids = await _furnish(store)
        delivery = await _delivery(store, provider, VirtualClock(loop), workers=1)
        await delivery.start()
        await asyncio.sleep(1)
        # One is being called, the others wait in the queue and go back to be read anew.
        delivery.actors.clients.changed(client_ids)
        await asyncio.sleep(60)
        await delivery.stop(5)
        await store.close()
        return store.log

    log = [line for line in loop.run_until_complete(run()) if line != "claim 0"]
    assert log == ["claim 4", "release 3", "release 3", "claim 3"]
    assert Counter(call.message_id for call in provider.calls) == dict.fromkeys(range(1, CLIENTS + 1), 1)


def test_a_claim_made_by_an_old_filter_is_not_called(loop: VirtualLoop, tmp_path: Path) -> None:
    """One that a worker has already taken and waits with: for its mark, or for the mailing's pace after it."""
    provider = SimulatedProvider(VirtualClock(loop), Random(1), Faults())

    async def run() -> int:
        store = await BreaksDuringCommit.open(migrated(tmp_path / "mailing.db"), inline=True)
        store.log, store.broken = [], True
        await _furnish(store)
        asked = MailingInput("paced", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, 0.2, "not_sent")
        mailing_id = (await store.create_mailing(asked, by=Actor(), now_us=EPOCH_US)).row.id
        delivery = await _delivery(store, provider, VirtualClock(loop), workers=3)
        await delivery.start()
        await asyncio.sleep(8)  # the first token comes a second after the start
        asked = replace(asked, filter=AudienceFilter(tags=("nobody",)))
        await store.update_mailing(mailing_id, lambda _: asked, by=Actor(), now_us=EPOCH_US + 8_000_000)
        await delivery.refresh(mailing_id)
        before = sum(call.text == "paced" for call in provider.calls)
        await asyncio.sleep(60)
        await delivery.stop(5)
        await store.close()
        return before

    before = loop.run_until_complete(run())
    assert before == sum(call.text == "paced" for call in provider.calls) == 2


def test_what_a_dead_engine_had_claimed_is_sent_by_the_next_at_once(loop: VirtualLoop, tmp_path: Path) -> None:
    """Alone on its file it need not wait for the lease."""
    provider = SimulatedProvider(VirtualClock(loop), Random(1), Faults())

    async def run() -> None:
        store = await Store.open(migrated(tmp_path / "mailing.db"), inline=True)
        await _furnish(store)
        dead = await store.register_engine("dead:1", 1, EPOCH_US, EPOCH_US)
        while not await store.build_audience(1, 50, EPOCH_US, EPOCH_US):
            pass
        assert len(await store.claim(1, 50, owner=dead, now_us=EPOCH_US, lease_until_us=EPOCH_US + 10**10)) == CLIENTS
        delivery = await _delivery(store, provider, VirtualClock(loop), workers=3)
        await delivery.start()
        await asyncio.sleep(10)
        await delivery.stop(5)
        await store.close()

    loop.run_until_complete(run())
    assert len(provider.calls_by_message()) == CLIENTS


async def _delivery(store: Store, provider: SimulatedProvider, clock: VirtualClock, *, workers: int) -> Delivery:
    settings = DeliverySettings(workers=workers, queue_size=50, provider_timeout_seconds=10.0)
    return await Delivery.join(
        store, provider, clock=clock, random=Random(1), settings=settings, name="test:1", meter=NoMeter()
    )


async def _furnish(store: Store) -> list[int]:
    given = [ClientInput(79160000000 + i, "916", "", "UTC") for i in range(CLIENTS)]
    clients = [await store.create_client(one, by=Actor(), now_us=EPOCH_US) for one in given]
    mailing = MailingInput("hello", AudienceFilter(), EPOCH_US, EPOCH_US + 10**10, None, None, "resend")
    await store.create_mailing(mailing, by=Actor(), now_us=EPOCH_US)
    return [client.row.id for client in clients]
