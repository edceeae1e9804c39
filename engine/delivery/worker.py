"""One worker: take → check → send → classify → hand to the recorder."""

from __future__ import annotations

from random import Random

import structlog

from engine.delivery.book import Book, Entry
from engine.delivery.gate import Gate
from engine.delivery.hand import Hand
from engine.delivery.marker import Marker
from engine.delivery.queue import DeliveryQueue
from engine.delivery.recorder import Recorder
from engine.domain.message import Event
from engine.domain.outcome import Answer, Outcome, Verdict, classify
from engine.domain.pacing import GUARD_NS
from engine.domain.retry import RetryPolicy
from engine.ports import Claim, Clock, OnUncertain, Provider, Record, Return

_US_PER_SECOND = 1_000_000
# Half of the token bucket's guard: calls that are later than their token by more could bunch up to N+1.
_PACE_GUARD_US = GUARD_NS // 2_000

log = structlog.get_logger(__name__)


class Worker:
    """Delivers one message at a time. All workers of an engine share its parts."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        book: Book,
        hand: Hand,
        gate: Gate,
        marker: Marker,
        recorder: Recorder,
        provider: Provider,
        retry: RetryPolicy,
        timeout_seconds: float,
        lease_margin_seconds: float,
        clock: Clock,
        random: Random,
    ) -> None:
        self._queue, self._book, self._hand, self._gate = queue, book, hand, gate
        self._marker, self._recorder, self._provider = marker, recorder, provider
        self._retry = retry
        self._timeout_seconds, self._timeout_us = timeout_seconds, int(timeout_seconds * _US_PER_SECOND)
        # The lease keeper renews what is in hand, calls in flight too. A lease that is nearly over
        # all the same means that this engine was frozen or the store is away: don't begin a call.
        self._lease_margin_us = int(lease_margin_seconds * _US_PER_SECOND)
        self._clock, self._random = clock, random

    async def run(self, number: int) -> None:
        """Deliver until there are fewer than ``number`` slots."""
        while (claim := self._queue.take_now() or await self._queue.take(number)) is not None:
            await self.handle(claim)

    async def handle(self, claim: Claim) -> None:
        """Deliver one message, or give it back. A bug met on the way costs this message a retry, no more."""
        started_us = self._clock.now_us()
        try:
            entry = self._cleared(claim, started_us)
            if entry is not None and entry.plan.on_uncertain is OnUncertain.NOT_SENT:
                entry = await self._marked(claim)
                started_us = self._clock.now_us()
            if entry is not None:
                answer = await self._call(claim, entry, started_us)
                finished_us = self._clock.now_us()
                outcome = classify(answer, finished_us)
                self._gate.report(claim.message_id, outcome, finished_us)
                self._finish(claim, outcome, started_us, finished_us)
        except Exception as error:
            log.exception("message.bug", **_names(claim))
            self._gate.abandon(claim.message_id)
            detail = f"internal error: {type(error).__name__}"
            self._finish(claim, Outcome(Verdict.RETRY, None, detail, None), started_us, self._clock.now_us())

    def _cleared(self, claim: Claim, now_us: int) -> Entry | None:
        """The last check before the call: the mailing's entry, or ``None`` after giving the claim back."""
        entry = self._book.get(claim.mailing_id)
        due_us = 0
        if entry is not None and entry.may_send(now_us) and not self._gate.is_shut:
            due_us = now_us if entry.plan.local_hours is None else entry.opens_us(claim.time_zone, now_us)
            if due_us == now_us and self._hand.holds(claim, now_us + self._lease_margin_us):
                return entry
        self._gate.abandon(claim.message_id)
        self._recorder.give_back([Return(claim.message_id, claim.mailing_id, claim.attempt, due_us)], slots=1)
        return None

    async def _marked(self, claim: Claim) -> Entry | None:
        taken_us = self._clock.now_us()
        if not await self._marker.mark(claim):
            self._hand.drop([claim.message_id])
        if self._clock.now_us() - taken_us > _PACE_GUARD_US:
            await self._pace_again(claim)
        # Storing the mark took time: the mailing may be paused or over by now.
        return self._cleared(claim, self._clock.now_us())

    async def _pace_again(self, claim: Claim) -> None:
        """The token that came with the claim belongs to a moment that is over: wait for another."""
        while True:
            entry, now_us = self._book.get(claim.mailing_id), self._clock.now_us()
            buckets = [self._gate.bucket] + ([entry.bucket] if entry is not None and entry.bucket is not None else [])
            ready_us = max(bucket.ready_us(now_us) for bucket in buckets)
            if ready_us <= now_us:
                for bucket in buckets:
                    bucket.take(now_us)
                return
            await self._clock.sleep((ready_us - now_us) / _US_PER_SECOND)

    async def _call(self, claim: Claim, entry: Entry, now_us: int) -> Answer:
        plan = entry.plan
        timeout_seconds = self._timeout_seconds
        if plan.end_us - now_us < self._timeout_us:
            timeout_seconds = (plan.end_us - now_us) / _US_PER_SECOND
        entry.in_flight += 1
        try:
            return await self._provider.send(claim.message_id, claim.phone_number, plan.text, timeout_seconds)
        finally:
            entry.in_flight -= 1

    def _finish(self, claim: Claim, outcome: Outcome, started_us: int, finished_us: int) -> None:
        event, due_us = outcome.event, 0
        if event is not Event.ACCEPT:
            if event is Event.DEFER:
                jitter, wait_seconds = self._random.random(), outcome.retry_after_seconds
                due_us = self._retry.due_us(finished_us, claim.attempt, jitter, wait_seconds)
            line = "message.rejected" if event is Event.REJECT else "message.deferred"
            log.info(line, **_names(claim), attempt=claim.attempt, detail=outcome.detail)
        self._recorder.put(
            Record(
                claim.message_id,
                claim.mailing_id,
                claim.client_id,
                claim.attempt,
                event,
                started_us,
                finished_us,
                outcome.http_status,
                outcome.detail,
                due_us,
            )
        )


def _names(claim: Claim) -> dict[str, int]:
    return {"message_id": claim.message_id, "mailing_id": claim.mailing_id, "client_id": claim.client_id}
