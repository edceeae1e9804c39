"""Providers by name, and the migration that brought them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest

from engine.domain.message import Event
from engine.domain.receipt import Delivery, Effect, Receipt
from engine.domain.routing import Route
from engine.ports import Claim
from engine.store import Store
from engine.store.database import Tx
from tests.store.conftest import Opener
from tests.store.world import LEASE, NOW, a_mailing_with, claim, messages, outcome, record, release


async def test_a_name_stands_for_one_id_for_ever(store: Store) -> None:
    assert await store.provider_ids(["fbrq"]) == {"fbrq": 1}
    first = await store.provider_ids(["b", "fbrq", "a"])
    assert first["fbrq"] == 1
    assert len(set(first.values())) == 3
    assert await store.provider_ids(["a", "b"]) == {name: first[name] for name in ("a", "b")}
    assert await store.provider_ids([]) == {}


async def test_engines_that_start_together_agree(kind: str, store: Store, open_store: Opener) -> None:
    stores = [store, await open_store() if kind == "postgres" else store]
    answers = await asyncio.gather(*(store.provider_ids(["x", "y", f"of {n}"]) for n, store in enumerate(stores)))
    assert [(answer["x"], answer["y"]) for answer in answers] == [(answers[0]["x"], answers[0]["y"])] * 2
    every = await store.provider_ids(["fbrq", "x", "y", "of 0", "of 1"])
    assert len(set(every.values())) == 5


async def test_down_and_up_again_with_rows(store: Store) -> None:
    """Whoever may have a message is the provider of before; the others are for whoever comes first."""
    receipts, events = (
        import_module(f"engine.store.migrations.store.{name}")
        for name in ("9_20261130000000_receipts", "12_20261130040000_events")
    )
    mailing_id, owner = await a_mailing_with(store, 5)
    sent, missed, deferred, _taken = await claim(store, mailing_id, owner, 4)
    await record(store, owner, [sent], Event.ACCEPT)
    await record(store, owner, [missed], Event.MISS, due_us=NOW)
    await record(store, owner, [deferred], Event.DEFER, due_us=NOW)
    before = await messages(store, mailing_id)
    await store.provider_ids(["other"])

    async def work(tx: Tx) -> list[Any]:
        await tx.run(
            "INSERT INTO mailing_stat (mailing_id, kind, key, count) VALUES (?, 'delivered', 1, 1)", mailing_id
        )
        await tx.run("INSERT INTO past_stat (kind, key, count) VALUES ('delivered', 1, 1)")
        for module in (events, receipts):
            await tx.orm.execute_script(await module.downgrade(tx.orm))
        for module in (receipts, events):
            await tx.orm.execute_script(await module.upgrade(tx.orm))
        rows = await tx.rows("SELECT provider_id, delivery, delivery_us, cost FROM message ORDER BY id")
        for table in ("mailing_stat", "past_stat"):
            assert await tx.value(f"SELECT count(*) FROM {table} WHERE kind = 'delivered'") == 0
        return [tuple(row) for row in rows]

    rows = await store._db.transaction(work)
    assert rows == [(id, None, None, 0) for id in (None, 1, None, 1, None)]
    assert await messages(store, mailing_id) == before
    assert await store.provider_ids(["fbrq"]) == {"fbrq": 1}


# -- whose message a receipt is about -------------------------------------------------------------------


async def _two(store: Store) -> tuple[Route, Route]:
    """Alpha and beta, each of which may have all that is free."""
    ids = await store.provider_ids(["alpha", "beta"])
    first, second = (Route(ids[name]) for name in ("alpha", "beta"))
    return first, second


async def _claim(store: Store, mailing_id: int, owner: int, route: Route) -> Claim:
    (taken,) = await store.claim(mailing_id, 1, owner=owner, now_us=NOW, lease_until_us=LEASE, route=route)
    return taken


async def _say(store: Store, message_id: int, provider: str | None = None, seconds: int = 3) -> Effect:
    receipt = Receipt(Delivery.DELIVERED, NOW + seconds * 1_000_000, message_id, provider=provider)
    return (await store.record_receipts([receipt], now_us=NOW + 9_000_000)).effects[0]


@pytest.mark.parametrize("turn", [None, "alpha", "beta"])
@pytest.mark.parametrize("event", [Event.DEFER, Event.MISS])
async def test_a_message_that_a_receipt_sends_is_its_last_providers(
    store: Store, event: Event, turn: str | None
) -> None:
    """Whoever's turn it would have been next: nobody, the same one, or another one."""
    alpha, beta = await _two(store)
    mailing_id, owner = await a_mailing_with(store, 1)
    taken = await _claim(store, mailing_id, owner, alpha)
    whose = {None: None, "alpha": alpha.provider_id, "beta": beta.provider_id}[turn]
    await store.record([outcome(taken, event, due_us=NOW)._replace(next_provider=whose)], owner=owner, now_us=NOW)
    assert await _say(store, taken.message_id) is Effect.CONFIRMS
    (row,) = await messages(store, mailing_id)
    assert (row.status.public, row.provider) == ("sent", "alpha")
    assert await store.check() == []


@pytest.mark.parametrize("how", ["RELEASE", "LACK", "LOSE", "DEFER"])
async def test_also_one_that_another_provider_has_taken_and_only_if_it_was_not_called(store: Store, how: str) -> None:
    alpha, beta = await _two(store)
    mailing_id, owner = await a_mailing_with(store, 1)
    taken = await _claim(store, mailing_id, owner, alpha)
    put_off = outcome(taken, Event.DEFER, due_us=NOW)._replace(next_provider=beta.provider_id)
    await store.record([put_off], owner=owner, now_us=NOW)
    taken = await _claim(store, mailing_id, owner, beta)
    assert await _say(store, taken.message_id) is Effect.KEPT
    if how == "RELEASE":
        await release(store, owner, [taken])
    elif how == "LOSE":
        await store.recover(LEASE + 1, 10, expired_only=True)
    else:
        await record(store, owner, [taken], Event[how], due_us=NOW)
    (row,) = await messages(store, mailing_id)
    assert (row.status.public, row.provider) == ("sent", "alpha" if how in ("RELEASE", "LACK") else "beta")
    assert await store.check() == []


@pytest.mark.parametrize("event", [Event.ACCEPT, Event.REJECT, Event.MISS, Event.DEFER])
async def test_a_provider_speaks_only_for_what_it_was_given(store: Store, event: Event) -> None:
    """Also when it would be its turn next."""
    alpha, beta = await _two(store)
    mailing_id, owner = await a_mailing_with(store, 1)
    taken = await _claim(store, mailing_id, owner, alpha)
    ended = outcome(taken, event, due_us=NOW)._replace(next_provider=beta.provider_id)
    await store.record([ended], owner=owner, now_us=NOW)
    before = await messages(store, mailing_id)
    for other in ("beta", "fbrq", "nobody"):
        assert await _say(store, taken.message_id, other) is Effect.UNKNOWN
    assert await messages(store, mailing_id) == before
    said = [await _say(store, taken.message_id, "alpha", 3), await _say(store, taken.message_id, None, 4)]
    assert said == [Effect.CONFIRMS if event in (Event.MISS, Event.DEFER) else Effect.KEPT, Effect.KEPT]
    assert await store.check() == []


async def test_after_a_failover_both_speak_for_it(store: Store) -> None:
    alpha, beta = await _two(store)
    mailing_id, owner = await a_mailing_with(store, 1)
    taken = await _claim(store, mailing_id, owner, alpha)
    assert await _say(store, taken.message_id, "beta") is Effect.UNKNOWN
    put_off = outcome(taken, Event.DEFER, due_us=NOW)._replace(next_provider=beta.provider_id)
    await store.record([put_off], owner=owner, now_us=NOW)
    await record(store, owner, [await _claim(store, mailing_id, owner, beta)], Event.ACCEPT)
    effects = [await _say(store, taken.message_id, name, n) for n, name in enumerate(("alpha", "beta", "fbrq"))]
    assert effects == [Effect.KEPT, Effect.KEPT, Effect.UNKNOWN]


async def test_what_is_older_than_names_is_fbrqs(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    sent, put_off = await claim(store, mailing_id, owner)
    await record(store, owner, [sent], Event.ACCEPT)
    await record(store, owner, [put_off], Event.DEFER, due_us=NOW)

    async def work(tx: Tx) -> None:
        for table in ("message", "attempt"):
            await tx.run(f"UPDATE {table} SET provider_id = NULL")

    await store._db.transaction(work)
    await store.provider_ids(["alpha"])
    assert [await _say(store, each.message_id, "alpha") for each in (sent, put_off)] == [Effect.UNKNOWN] * 2
    assert await _say(store, sent.message_id, "fbrq") is Effect.KEPT
    assert await _say(store, put_off.message_id, "fbrq") is Effect.CONFIRMS
