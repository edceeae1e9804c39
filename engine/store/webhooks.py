"""Webhooks: who is told of events, and what comes of telling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from common.error_codes import ErrorCode
from engine.domain.access import Impossible
from engine.domain.errors import NotFound
from engine.domain.events import OF_MESSAGES, EventKind
from engine.domain.webhook import WEBHOOKS_MAX, DeliveryState
from engine.store.audit import add_audit, differences
from engine.store.copies import NOT_HELD
from engine.store.database import Lane, Tx
from engine.store.event_rows import DeliveryRow, DueDelivery, WebhookInput, WebhookRow, kinds_of
from engine.store.events import EVENT, insert_deliveries, lock_events, with_numbers
from engine.store.paging import page_of
from engine.store.requests import first_answer, keep_answer
from engine.store.row_of import Part, RowOf, insert_of, sets_of
from engine.store.rows import Actor, Created, Page, PageOf, RequestKey
from engine.store.verbs import Verbs, read, transaction

_KINDS: Final = Part(("kinds",), kinds_of, lambda kinds: (" ".join(kinds),))
_INPUT: Final = RowOf(WebhookInput, kinds=_KINDS)
_WEBHOOK: Final = RowOf(WebhookRow, kinds=_KINDS)
_WEBHOOKS: Final = (
    "(SELECT w.id, w.url, w.kinds, w.active, w.create_us, w.update_us,"
    " (SELECT count(*) FROM webhook_delivery AS d WHERE d.webhook_id = w.id"
    f" AND d.state < {int(DeliveryState.DELIVERED)}) AS pending_count,"
    " (SELECT count(*) FROM webhook_delivery AS d WHERE d.webhook_id = w.id"
    f" AND d.state = {int(DeliveryState.GIVEN_UP)}) AS given_up_count FROM webhook AS w) AS shown"
)
_DELIVERY: Final = RowOf(DeliveryRow)
_DELIVERIES: Final = (
    "(SELECT d.id, d.webhook_id, d.event_id, e.kind, d.state, d.attempts, d.create_us, d.due_us, d.last_us,"
    " d.http_status, d.answer FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id) AS shown"
)
_IS_STATE: Final = {"pending": "state < ?", "delivered": "state = ?", "given_up": "state = ?"}
_STATES: Final = {
    "pending": DeliveryState.DELIVERED,
    "delivered": DeliveryState.DELIVERED,
    "given_up": DeliveryState.GIVEN_UP,
}
"""The arguments for ``_IS_STATE``."""


class WebhookVerbs(Verbs):
    """What the API asks about webhooks, and what couriers do. ``now_us``: the time; ``by``: who asks."""

    async def create_webhook(
        self, wanted: WebhookInput, secret: str, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> tuple[Created[WebhookRow], str]:
        """Add a webhook; with its secret, which a repeat of the request gets too.

        Raises:
            Impossible: there are ``WEBHOOKS_MAX`` already.
            Conflict: the request id was used for another request.
            NotFound: the request is a repeat, and the webhook is gone.
        """
        made = await self._create_webhook(wanted, secret, by, now_us, request)
        await self.read_wanted()
        return made

    async def update_webhook(
        self, webhook_id: int, change: Callable[[WebhookRow], WebhookInput], *, by: Actor, now_us: int
    ) -> WebhookRow:
        """Replace a webhook by what ``change`` makes of it, which may raise. ``NotFound`` when there is none."""
        row = await self._update_webhook(webhook_id, change, by, now_us)
        await self.read_wanted()
        return row

    async def delete_webhook(self, webhook_id: int, *, by: Actor, now_us: int) -> None:
        """Remove a webhook with its deliveries. ``NotFound`` when there is none."""
        await self._delete_webhook(webhook_id, by, now_us)
        await self.read_wanted()

    async def read_wanted(self) -> None:
        """Learn which events of messages are to be written: at the start, and when webhooks have changed."""
        self.wanted = await self._wanted()

    @read(Lane.API)
    async def get_webhook(self, tx: Tx, webhook_id: int) -> WebhookRow:
        """Read one. ``NotFound`` when there is none."""
        return await _get(tx, webhook_id)

    @read(Lane.API)
    async def list_webhooks(self, tx: Tx, page: Page) -> PageOf[WebhookRow]:
        """All of them, by id."""
        return await page_of(tx, _WEBHOOK, _WEBHOOKS, page)

    @read(Lane.API)
    async def list_deliveries(self, tx: Tx, webhook_id: int, state: str | None, page: Page) -> PageOf[DeliveryRow]:
        """Deliveries of a webhook, the newest first; ``state``: only those in it, by its public word. ``NotFound`` when
        there is no such webhook."""
        await _get(tx, webhook_id)
        asked: dict[str, Any] = {"webhook_id": webhook_id}
        if state is not None:
            asked[_IS_STATE[state]] = int(_STATES[state])
        return await page_of(tx, _DELIVERY, _DELIVERIES, page, asked, newest_first=True)

    @transaction(Lane.API)
    async def test_webhook(
        self, tx: Tx, webhook_id: int, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> DeliveryRow:
        """Make an event that only this webhook is told of.

        Raises:
            NotFound: there is no such webhook.
            Impossible: it is switched off.
            Conflict: the request id was used for another request.
        """
        if (answer := await first_answer(tx, request)) is not None:
            return _DELIVERY.answered(answer)
        await lock_events(tx)
        row = await _get(tx, webhook_id, lock=True)
        if not row.active:
            raise Impossible(ErrorCode.WEBHOOK_OFF.format(id=webhook_id))
        data = orjson.dumps({"webhook_id": webhook_id, "by": by.name}).decode()
        values = {"kind": EventKind.WEBHOOK_TEST.value, "time_us": now_us, "data": data}
        event_id = await tx.value(f"{insert_of('event', values)} RETURNING id", *values.values())
        await insert_deliveries(tx, [(webhook_id, event_id, None)], now_us)
        await add_audit(tx, by, "webhook.test", "webhook", webhook_id, {}, now_us)
        sql = f"SELECT {_DELIVERY.sql} FROM {_DELIVERIES} WHERE event_id = ?"
        made = _DELIVERY.read((await tx.rows(sql, event_id))[0])
        await keep_answer(tx, request, made, now_us)
        return made

    # -- telling -------------------------------------------------------------------------------------
    @transaction(Lane.EVENTS)
    async def claim_deliveries(
        self, tx: Tx, webhook_id: int, limit: int, *, now_us: int, lease_until_us: int
    ) -> list[DueDelivery]:
        """Take up to ``limit`` due deliveries of an active webhook, each for an attempt; in a copy that is held none. A
        delivery is due again at ``lease_until_us``, unless somebody has ended the attempt."""
        webhook = await tx.row(f"SELECT url, secret FROM webhook WHERE id = ? AND active AND {NOT_HELD}", webhook_id)
        if webhook is None:
            return []
        taken = await tx.rows(
            "UPDATE webhook_delivery SET attempts = attempts + 1, due_us = ? WHERE id IN"
            f" (SELECT id FROM webhook_delivery WHERE webhook_id = ? AND state = {int(DeliveryState.READY)}"
            f" AND due_us <= ? ORDER BY due_us, id LIMIT ? {tx.dialect.lock(skip=True)})"
            " RETURNING id, attempts, create_us, event_id",
            *(lease_until_us, webhook_id, now_us, limit),
        )
        ids = tx.dialect.list_arg(row[3] for row in taken)
        found = await tx.rows(f"SELECT {EVENT.sql} FROM event WHERE id {tx.dialect.in_list()}", ids)
        events = {event.id: event for event in await with_numbers(tx, [EVENT.read(row) for row in found])}
        url, secret = webhook
        return [
            DueDelivery(id, attempt, create_us, url, secret, events[event_id])
            for id, attempt, create_us, event_id in sorted(map(tuple, taken))
        ]

    @transaction(Lane.EVENTS)
    async def end_attempt(
        self,
        tx: Tx,
        delivery_id: int,
        attempt: int,
        *,
        state: DeliveryState,
        due_us: int,
        http_status: int | None,
        answer: str,
        now_us: int,
    ) -> bool:
        """Store what came of an attempt; ``state`` is ``READY`` when it is to be tried again at ``due_us``. Behind what
        is over the next one of its stream can be tried. False: another engine has tried it since."""
        row = await tx.row("SELECT webhook_id, stream FROM webhook_delivery WHERE id = ?", delivery_id)
        if row is None:
            return False
        webhook_id, stream = row
        await tx.rows(f"SELECT 1 FROM webhook WHERE id = ? {tx.dialect.lock_kept}", webhook_id)
        changed = await tx.run(
            "UPDATE webhook_delivery SET state = ?, due_us = ?, last_us = ?, http_status = ?, answer = ?"
            f" WHERE id = ? AND attempts = ? AND state = {int(DeliveryState.READY)}",
            *(int(state), due_us, now_us, http_status, answer, delivery_id, attempt),
        )
        if changed and state is not DeliveryState.READY and stream is not None:
            await tx.run(
                f"UPDATE webhook_delivery SET state = {int(DeliveryState.READY)}, due_us = ? WHERE id ="
                " (SELECT min(id) FROM webhook_delivery WHERE webhook_id = ? AND stream = ?"
                f" AND state < {int(DeliveryState.DELIVERED)})",
                *(now_us, webhook_id, stream),
            )
        return bool(changed)

    # -- inside --------------------------------------------------------------------------------------
    @transaction(Lane.API)
    async def _create_webhook(
        self, tx: Tx, wanted: WebhookInput, secret: str, by: Actor, now_us: int, request: RequestKey | None
    ) -> tuple[Created[WebhookRow], str]:
        if (answer := await first_answer(tx, request)) is not None:
            stored = await tx.value("SELECT secret FROM webhook WHERE id = ?", answer)
            return Created(await _get(tx, answer), replayed=True), str(stored)
        if int(await tx.value("SELECT count(*) FROM webhook")) >= WEBHOOKS_MAX:
            raise Impossible(ErrorCode.TOO_MANY_WEBHOOKS.format(max=WEBHOOKS_MAX))
        values = {**_INPUT.values(wanted), "secret": secret, "create_us": now_us, "update_us": now_us}
        webhook_id = await tx.value(f"{insert_of('webhook', values)} RETURNING id", *values.values())
        await add_audit(tx, by, "webhook.create", "webhook", webhook_id, _noted(wanted), now_us)
        await keep_answer(tx, request, webhook_id, now_us)
        return Created(await _get(tx, webhook_id), replayed=False), secret

    @transaction(Lane.API)
    async def _update_webhook(
        self, tx: Tx, webhook_id: int, change: Callable[[WebhookRow], WebhookInput], by: Actor, now_us: int
    ) -> WebhookRow:
        old = await _get(tx, webhook_id, lock=True)
        new = change(old)
        if (new.url, new.kinds, new.active) == (old.url, old.kinds, old.active):
            return old
        values = {**_INPUT.values(new), "update_us": now_us}
        await tx.run(f"UPDATE webhook SET {sets_of(values)} WHERE id = ?", *values.values(), webhook_id)
        await add_audit(tx, by, "webhook.update", "webhook", webhook_id, differences(_noted(old), _noted(new)), now_us)
        return await _get(tx, webhook_id)

    @transaction(Lane.API)
    async def _delete_webhook(self, tx: Tx, webhook_id: int, by: Actor, now_us: int) -> None:
        old = await _get(tx, webhook_id, lock=True)
        await tx.run("DELETE FROM webhook WHERE id = ?", webhook_id)
        await add_audit(tx, by, "webhook.delete", "webhook", webhook_id, _noted(old), now_us)

    @read(Lane.API)
    async def _wanted(self, tx: Tx) -> frozenset[EventKind]:
        rows: Sequence[Any] = await tx.rows("SELECT kinds FROM webhook WHERE active")
        return frozenset(kind for (text,) in rows for kind in kinds_of(text)) & OF_MESSAGES


def _noted(webhook: WebhookInput | WebhookRow) -> dict[str, object]:
    """For the audit list, which everybody reads: the path of an address may be all that keeps strangers out."""
    return {"host": urlsplit(webhook.url).hostname, "events": list(webhook.kinds), "active": webhook.active}


async def _get(tx: Tx, webhook_id: int, *, lock: bool = False) -> WebhookRow:
    if lock:
        await tx.rows(f"SELECT 1 FROM webhook WHERE id = ? {tx.dialect.lock()}", webhook_id)
    row = await tx.row(f"SELECT {_WEBHOOK.sql} FROM {_WEBHOOKS} WHERE id = ?", webhook_id)
    if row is None:
        raise NotFound("webhook", webhook_id)
    return _WEBHOOK.read(row)
