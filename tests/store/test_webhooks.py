"""Webhooks: who is told, in order per mailing, at least once, and how that ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.domain.access import Impossible
from engine.domain.errors import Conflict, NotFound
from engine.domain.events import EventKind, Happening
from engine.domain.webhook import WEBHOOKS_MAX, DeliveryState
from engine.store import Store
from engine.store.database import Tx
from engine.store.event_rows import DueDelivery, WebhookInput, WebhookRow
from engine.store.outbox import add_events
from engine.store.rows import AuditQuery, Page, RequestKey
from tests.store.conftest import Opener
from tests.store.world import BY, NOW

STARTED, ENDED, TEST = EventKind.MAILING_STARTED, EventKind.MAILING_ENDED, EventKind.WEBHOOK_TEST
SENT = EventKind.MESSAGES_SENT
OUT = EventKind.CLIENT_OPTED_OUT
LEASE = NOW + 30
URL = "https://example.com/secret-path"


async def make(store: Store, *kinds: EventKind, url: str = URL) -> int:
    created, _ = await store.create_webhook(WebhookInput(url, kinds or (STARTED, ENDED)), "whsec_x", by=BY, now_us=NOW)
    return created.row.id


async def tell(store: Store, *told: tuple[EventKind, int | None]) -> None:
    """Publish events: kind and stream."""
    events = [Happening(kind, NOW, stream, {"stream": stream}) for kind, stream in told]
    await store._db.transaction(lambda tx: add_events(tx, events))
    await store.publish(NOW)


async def take(store: Store, webhook_id: int, now_us: int = NOW, limit: int = 10) -> list[DueDelivery]:
    return await store.claim_deliveries(webhook_id, limit, now_us=now_us, lease_until_us=LEASE)


async def end(
    store: Store, taken: DueDelivery, state: DeliveryState = DeliveryState.DELIVERED, due_us: int = 0
) -> bool:
    return await store.end_attempt(
        taken.id, taken.attempt, state=state, due_us=due_us, http_status=200, answer="OK", now_us=NOW + 1
    )


def streams(taken: list[DueDelivery]) -> list[tuple[EventKind, Any]]:
    return [(each.event.kind, each.event.data["stream"]) for each in taken]


async def states(store: Store, webhook_id: int, state: str | None = None) -> list[tuple[str, str, int]]:
    page = await store.list_deliveries(webhook_id, state, Page(100))
    return [(row.kind.value, row.state.public, row.attempts) for row in reversed(page.items)]


async def test_a_webhook_gets_what_it_asks_for_while_it_is_on(store: Store) -> None:
    await tell(store, (STARTED, 1))
    first, second = await make(store), await make(store, OUT, ENDED)
    await tell(store, (STARTED, 1), (OUT, None), (SENT, 1))
    await store.update_webhook(first, lambda row: WebhookInput(row.url, row.kinds, False), by=BY, now_us=NOW)
    await tell(store, (ENDED, 2))
    assert streams(await take(store, first)) == []
    assert streams(await take(store, second)) == [(OUT, None), (ENDED, 2)]
    await store.update_webhook(first, lambda row: WebhookInput(row.url, row.kinds, True), by=BY, now_us=NOW)
    assert (await store.event_view(NOW)).due == {first: NOW, second: LEASE}
    (taken,) = await take(store, first)
    assert (taken.url, taken.secret, taken.attempt) == (URL, "whsec_x", 1)


async def test_events_of_one_mailing_wait_for_each_other(store: Store) -> None:
    webhook_id, other = await make(store), await make(store)
    await tell(store, (STARTED, 1), (STARTED, 2))
    await tell(store, (ENDED, 1), (ENDED, 1))
    one, two = await take(store, webhook_id)
    assert (one.event.data["stream"], two.event.data["stream"]) == (1, 2)
    assert await take(store, webhook_id) == []
    assert await end(store, one, DeliveryState.READY, due_us=NOW + 9)
    assert await take(store, webhook_id, NOW + 8) == []
    (again,) = await take(store, webhook_id, NOW + 9)
    assert (again.id, again.attempt, again.event) == (one.id, 2, one.event)
    assert await end(store, again)
    (third,) = await take(store, webhook_id, NOW + 9)
    assert third.event.kind is ENDED
    assert await end(store, third, DeliveryState.GIVEN_UP)
    await tell(store, (STARTED, 1))
    (fourth,) = await take(store, webhook_id, NOW + 9)
    assert await end(store, fourth)
    assert streams(await take(store, webhook_id, NOW + 9)) == [(STARTED, 1)]
    assert len(await take(store, other)) == 2
    assert await states(store, webhook_id) == [
        ("mailing.started", "delivered", 2),
        ("mailing.started", "pending", 1),
        ("mailing.ended", "given_up", 1),
        ("mailing.ended", "delivered", 1),
        ("mailing.started", "pending", 1),
    ]
    assert [len(await states(store, webhook_id, word)) for word in ("pending", "delivered", "given_up")] == [2, 2, 1]
    row = await store.get_webhook(webhook_id)
    assert (row.pending_count, row.given_up_count) == (2, 1)


async def test_what_a_dead_engine_has_taken_is_tried_again_and_its_word_counts_no_more(store: Store) -> None:
    webhook_id = await make(store)
    await tell(store, (STARTED, 1))
    (lost,) = await take(store, webhook_id)
    assert await take(store, webhook_id, LEASE - 1) == []
    (taken,) = await store.claim_deliveries(webhook_id, 10, now_us=LEASE, lease_until_us=LEASE + 30)
    assert (taken.id, taken.attempt) == (lost.id, 2)
    assert not await end(store, lost)
    assert await end(store, taken)
    assert not await end(store, taken)


async def test_engines_share_the_work(kind: str, store: Store, open_store: Opener) -> None:
    """Each delivery is taken once, in order, whoever takes; nobody waits for ever."""
    stores = [store, await open_store() if kind == "postgres" else store]
    webhook_id = await make(store)
    done: list[tuple[int, int]] = []

    async def publish() -> None:
        for number in range(12):
            await tell(stores[number % 2], (STARTED, number % 3), (ENDED, number % 3))

    async def courier(which: Store) -> None:
        idle = 0
        while idle < 60:
            taken = await which.claim_deliveries(webhook_id, 2, now_us=NOW + 9, lease_until_us=NOW + 1_000)
            for each in taken:
                done.append((each.event.data["stream"], each.event.id))
                assert await end(which, each)
            idle = 0 if taken else idle + 1
            await asyncio.sleep(0.001)

    async with asyncio.timeout(60):
        await asyncio.gather(publish(), *map(courier, stores * 2))
    assert len(done) == len(set(done)) == 24
    for stream in range(3):
        ids = [event_id for of, event_id in done if of == stream]
        assert ids == sorted(ids)


async def test_which_events_of_messages_are_wanted_is_known_at_once(store: Store) -> None:
    assert store.wanted == frozenset()
    webhook_id = await make(store, STARTED, SENT)
    assert store.wanted == {SENT}
    assert (await store.event_view(NOW)).wanted == {STARTED, SENT}
    await store.update_webhook(webhook_id, lambda row: WebhookInput(row.url, row.kinds, False), by=BY, now_us=NOW)
    assert store.wanted == frozenset()
    await store.update_webhook(webhook_id, lambda row: WebhookInput(row.url, row.kinds, True), by=BY, now_us=NOW)
    assert store.wanted == {SENT}
    await store.delete_webhook(webhook_id, by=BY, now_us=NOW)
    assert store.wanted == frozenset()


async def test_a_test_goes_to_one_webhook_only_and_is_no_event_of_the_list(store: Store) -> None:
    webhook_id, _ = await make(store), await make(store)
    row = await store.test_webhook(webhook_id, by=BY, now_us=NOW)
    assert (row.kind, row.state, row.attempts, row.next_attempt_us) == (TEST, DeliveryState.READY, 0, NOW)
    assert (await store.event_view(NOW)).due == {webhook_id: NOW}
    key = RequestKey("a", "TestWebhook", "f")
    again = [await store.test_webhook(webhook_id, by=BY, now_us=NOW + 9, request=key) for _ in range(2)]
    assert again[0] == again[1]
    (taken,) = await take(store, webhook_id)
    assert taken.event.data == {"webhook_id": webhook_id, "by": "tester"}
    await store.update_webhook(webhook_id, lambda row: WebhookInput(row.url, row.kinds, False), by=BY, now_us=NOW)
    with pytest.raises(Impossible, match="is switched off"):
        await store.test_webhook(webhook_id, by=BY, now_us=NOW)


async def test_changes_and_who_made_them(store: Store) -> None:
    webhook_id = await make(store)

    def moved(row: WebhookRow) -> WebhookInput:
        return WebhookInput("https://other.example/x", (OUT,), row.active)

    row = await store.update_webhook(webhook_id, moved, by=BY, now_us=NOW + 5)
    assert (row.url, row.kinds, row.active, row.update_us) == ("https://other.example/x", (OUT,), True, NOW + 5)
    assert await store.update_webhook(webhook_id, moved, by=BY, now_us=NOW + 6) == row
    assert (await store.list_webhooks(Page(9))).items == (row,)
    await tell(store, (OUT, None))
    await store.delete_webhook(webhook_id, by=BY, now_us=NOW)
    for gone in (
        store.get_webhook(webhook_id),
        store.delete_webhook(webhook_id, by=BY, now_us=NOW),
        store.list_deliveries(webhook_id, None, Page(9)),
        store.test_webhook(webhook_id, by=BY, now_us=NOW),
    ):
        with pytest.raises(NotFound):
            await gone
    assert not await store.end_attempt(
        1, 1, state=DeliveryState.DELIVERED, due_us=0, http_status=None, answer="", now_us=NOW
    )
    audit = (await store.list_audit(AuditQuery(object_type="webhook"), Page(9))).items
    assert [event.action for event in audit] == ["webhook.delete", "webhook.update", "webhook.create"]
    assert "secret-path" not in str(audit)
    assert "whsec_" not in str(audit)


async def test_a_repeat_gets_the_first_answer_with_its_secret(store: Store) -> None:
    key, wanted = RequestKey("a", "CreateWebhook", "f"), WebhookInput(URL, (OUT,))
    first, secret = await store.create_webhook(wanted, "whsec_1", by=BY, now_us=NOW, request=key)
    again, same = await store.create_webhook(wanted, "whsec_2", by=BY, now_us=NOW, request=key)
    assert (again.row, same, again.replayed) == (first.row, secret, True)
    with pytest.raises(Conflict):
        await store.create_webhook(wanted, "whsec_3", by=BY, now_us=NOW, request=replace(key, fingerprint="g"))
    kept = await store._db.read(lambda tx: tx.rows("SELECT response FROM request"))
    assert "whsec" not in str([tuple(row) for row in kept])


async def test_there_is_a_limit(store: Store) -> None:
    async def fill(tx: Tx) -> None:
        for _ in range(WEBHOOKS_MAX):
            await tx.run(
                "INSERT INTO webhook (url, kinds, active, secret, create_us, update_us)"
                " VALUES ('', '', FALSE, '', 0, 0)"
            )

    await store._db.transaction(fill)
    with pytest.raises(Impossible, match="already"):
        await make(store)


async def test_deliveries_go_with_their_events(store: Store) -> None:
    webhook_id = await make(store)
    await tell(store, (STARTED, 1))
    assert len(await states(store, webhook_id)) == 1
    assert await store.forget_events(NOW + 1, 10) == 1
    assert await states(store, webhook_id) == []
