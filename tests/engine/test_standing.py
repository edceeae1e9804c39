"""Receipts over a provider's own connection, stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.domain.message import Event, Status
from engine.domain.outcome import Answer
from engine.domain.receipt import Delivery
from engine.ports import Abilities, Request
from engine.provider.receipts import ProviderReceipt, TakeReceipts
from engine.standing import open_standing
from engine.store import Store
from tests.api.fakes import FakeClock, FakeControl
from tests.store.test_receipts import name_at_provider
from tests.store.world import NOW, add_clients, add_engine, add_mailing, claim, messages, record

S = 1_000_000


class Plain:
    """A provider whose receipts come as requests."""

    abilities = Abilities()

    async def send(self, request: Request) -> Answer:
        raise AssertionError(request)

    async def close(self) -> None:
        pass


class Standing(Plain):
    """One with a connection of its own."""

    take: TakeReceipts

    def open(self, take: TakeReceipts) -> None:
        self.take = take


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite://{tmp_path / 'mailing.db'}", inline=True)
    yield store
    await store.close()


def _said(provider_message_id: str, delivered: bool, message_id: int | None = None) -> ProviderReceipt:
    return ProviderReceipt(message_id, provider_message_id, delivered, NOW + 3 * S, "", "DELIVRD" if delivered else "")


async def test_receipts_are_stored_by_the_providers_id_and_by_ours(store: Store) -> None:
    """By ours where the receipt is quicker than the outcome."""
    await add_clients(store, 3)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    first, second, third = await claim(store, mailing_id, owner)
    await record(store, owner, [first, second], Event.ACCEPT)
    for each in (first, second):
        await name_at_provider(store, each.message_id, f"id-{each.message_id}")
    provider, control, clock = Standing(), FakeControl(), FakeClock()
    open_standing({"fbrq": provider, "other": Plain()}, store, clock, control)

    await provider.take(
        [
            _said(f"id-{first.message_id}", True),
            _said(f"id-{second.message_id}", False),
            _said("not-stored-yet", True, third.message_id),
            _said("nobody's", True),
        ]
    )
    await record(store, owner, [third], Event.MISS)

    found = {row.id: row for row in await messages(store, mailing_id)}
    assert [found[each.message_id].delivery for each in (first, second, third)] == [
        Delivery.DELIVERED,
        Delivery.UNDELIVERED,
        Delivery.DELIVERED,
    ]
    assert {row.status for row in found.values()} == {Status.SENT}


async def test_a_receipt_of_another_provider_is_not_ours(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await record(store, owner, [taken], Event.ACCEPT)
    await name_at_provider(store, taken.message_id, "7")
    provider = Standing()
    await store.provider_ids(["other"])
    open_standing({"other": provider}, store, FakeClock(), FakeControl())
    await provider.take([_said("7", True)])
    (row,) = await messages(store, mailing_id)
    assert row.delivery is None
