"""Tells one webhook what it is to be told.

Each webhook has a courier of its own, with a few calls of its own under way: a receiver that hangs holds up nobody
else. Which deliveries are due, and that those of one mailing come in order, the store knows; several engines share the
work by leases. Whatever a courier leaves behind when its engine dies is due again when the lease is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final

import orjson

from common.logs import get_logger
from common.stopping import end
from engine.domain.time_text import format_rfc3339
from engine.domain.units import US_PER_SECOND, in_us
from engine.domain.webhook import CALLS_MAX, DeliveryState, next_try_us
from engine.hooks.caller import CALL_SECONDS, Answer
from engine.hooks.signing import signed_headers
from engine.ports import Clock, StoreUnavailable
from engine.store.event_rows import DueDelivery
from engine.store.store import Store

LEASE_SECONDS: Final = 2 * CALL_SECONDS
_END_SECONDS: Final = 1.0
Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answer]]
Counted = Callable[[int, DeliveryState], None]
"""Is told of each call: the webhook's id, and where the call has left the delivery."""

log = get_logger(__name__)


class Courier:
    """An actor: ``run`` it, and ``wake`` it when something is due."""

    def __init__(
        self, webhook_id: int, store: Store, post: Post, clock: Clock, random: Random, counted: Counted
    ) -> None:
        self._webhook_id, self._store, self._post, self._clock, self._random = webhook_id, store, post, clock, random
        self._counted = counted
        self._due = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """It has nothing under way."""
        return not self._calls and not self._due.is_set()

    def wake(self) -> None:
        """Something may be due."""
        self._due.set()

    async def run(self) -> None:
        """Deliver for ever."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                await self._deliver_due()
        finally:
            await end(self._calls, _END_SECONDS)
            self._calls.clear()

    async def _deliver_due(self) -> None:
        """Deliver until nothing is due. Woken meanwhile it looks again."""
        while True:
            free = CALLS_MAX - len(self._calls)
            taken = await self._claim(free) if free else []
            for delivery in taken:
                self._calls.add(asyncio.create_task(self._deliver(delivery), name="webhook-call"))
            if len(taken) < free and self._due.is_set():
                self._due.clear()
                continue
            if not self._calls:
                return
            await self._something_happens()

    async def _something_happens(self) -> None:
        """A call has ended, or it was woken."""
        woken = asyncio.create_task(self._due.wait())
        try:
            await asyncio.wait([*self._calls, woken], return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        ended = {call for call in self._calls if call.done()}
        self._calls -= ended
        for call in ended:
            call.result()
        self._due.clear()

    async def _claim(self, number: int) -> list[DueDelivery]:
        now_us = self._clock.now_us()
        return await self._store.claim_deliveries(
            self._webhook_id, number, now_us=now_us, lease_until_us=now_us + in_us(LEASE_SECONDS)
        )

    async def _deliver(self, delivery: DueDelivery) -> None:
        event = delivery.event
        body = orjson.dumps(
            {"id": event.id, "type": event.kind, "timestamp": format_rfc3339(event.time_us), "data": event.data}
        )
        seconds = self._clock.now_us() // US_PER_SECOND
        answer = await self._post(delivery.url, signed_headers(delivery.secret, f"evt_{event.id}", seconds, body), body)
        now_us = self._clock.now_us()
        state, due_us = DeliveryState.DELIVERED, 0
        if not answer.is_taken:
            again_us = next_try_us(now_us, delivery.attempt, self._random.random(), delivery.create_us)
            state, due_us = (DeliveryState.GIVEN_UP, 0) if again_us is None else (DeliveryState.READY, again_us)
        self._counted(self._webhook_id, state)
        try:
            stored = await self._store.end_attempt(
                delivery.id,
                delivery.attempt,
                state=state,
                due_us=due_us,
                http_status=answer.http_status,
                answer=answer.text,
                now_us=now_us,
            )
        except StoreUnavailable:
            return  # told again when the lease is over
        if stored and state is DeliveryState.GIVEN_UP:
            ids = {"webhook_id": self._webhook_id, "event_id": event.id}
            log.warning("webhook.given_up", **ids, attempts=delivery.attempt, http_status=answer.http_status)
