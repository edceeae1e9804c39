"""One worker: take → check → send → classify → hand to the recorder."""

from __future__ import annotations

from random import Random
from typing import Final

from common.line_limit import LineLimit
from common.logs import get_logger
from engine.delivery.book import Entry
from engine.delivery.marker import Marker, MarkNotStored
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.domain.message import Event
from engine.domain.outcome import Outcome, Verdict, classify
from engine.domain.retry import RetryPolicy
from engine.domain.template import Filled, Template
from engine.domain.units import US_PER_SECOND, in_us
from engine.person import kept
from engine.ports import Claim, Provider, Request

_PACE_STEP_SECONDS: Final = 0.05
"""A worker that waits for a token asks this often whether it still should: a pause must not wait for a slow rate."""

_LINES: Final = {
    Event.REJECT: "message.rejected",
    Event.DEFER: "message.deferred",
    Event.MISS: "message.outcome_unknown",
}

log = get_logger(__name__)


class Worker:
    """Delivers one message at a time. All workers of an engine share its parts."""

    def __init__(self, state: State, *, marker: Marker, recorder: Recorder, provider: Provider, random: Random) -> None:
        settings = state.settings
        self._queue, self._gate, self._admission = state.queue, state.gate, state.admission
        self._marker, self._recorder, self._provider, self._random = marker, recorder, provider, random
        self._retry = RetryPolicy(settings.retry_base_seconds, settings.retry_max_seconds)
        self._timeout_seconds = settings.provider_timeout_seconds
        self._timeout_us = in_us(self._timeout_seconds)
        self._clock = state.clock
        self._segments_max = settings.segments_max
        self._lines = LineLimit()

    async def run(self, number: int) -> None:
        """Deliver until there are to be fewer than ``number`` workers, or none."""
        while self._queue.wants(number):
            claim = self._queue.take_now() or await self._queue.take(number)
            if claim is not None:
                await self.handle(claim)

    async def handle(self, claim: Claim) -> None:
        """Deliver one message, or give it back. A bug met on the way costs this message a retry, no more."""
        started_us = self._clock.now_us()
        verdict = Verdict.RETRY
        try:
            entry, due_us = self._admission.check(claim, started_us)
            if entry is not None and entry.marks_first:
                entry, due_us = await self._marked(claim, entry)
                started_us = self._clock.now_us()
            letter = None if entry is None else entry.letter or self._letter(claim, entry.template)
            if entry is None or letter is None:
                self._give_back(claim, due_us)
                return
            plan, timeout_seconds = entry.plan, self._timeout_seconds
            rendered = None if entry.letter is letter else kept(letter)
            if plan.end_us - started_us < self._timeout_us:
                timeout_seconds = (plan.end_us - started_us) / US_PER_SECOND
            entry.in_flight += 1
            verdict = Verdict.UNKNOWN
            try:
                request = Request(claim.message_id, claim.phone_number, letter.text, timeout_seconds)
                answer = await self._provider.send(request)
            finally:
                entry.in_flight -= 1
            finished_us = self._clock.now_us()
            outcome = classify(answer, finished_us)
            if not (self._gate.is_calm and outcome.verdict is Verdict.SENT):
                self._gate.report(claim.message_id, outcome, finished_us)
            self._finish(claim, outcome, started_us, finished_us, plan.text_version, rendered)
        except Exception as error:
            self._lines.write(log.error, "message.bug", type(error).__name__, **_names(claim), exc_info=error)
            # No fault of the provider's: the breaker does not hear of it.
            self._gate.abandon(claim.message_id)
            bug = Outcome(verdict, None, f"internal error: {type(error).__name__}", None)
            self._finish(claim, bug, started_us, self._clock.now_us(), None)

    def _letter(self, claim: Claim, template: Template) -> Filled | None:
        """The text for one client. ``None``: there is none, for the mailing's text was edited since the ticker looked;
        the message goes back, and the ticker looks again."""
        letter = None if claim.person is None else claim.person.letter(template, self._segments_max)
        return None if letter is None or letter.lack else letter

    def _give_back(self, claim: Claim, due_us: int) -> None:
        self._gate.abandon(claim.message_id)
        self._recorder.give_back([claim.given_back(due_us)], slots=1)

    async def _marked(self, claim: Claim, entry: Entry) -> tuple[Entry | None, int]:
        """Store the mark and wait for the tokens; the answer is that of ``Admission.check``."""
        entry.marking += 1
        try:
            is_ours = await self._marker.mark(claim)
            if is_ours:
                await self._pace(claim, entry)
        except MarkNotStored:
            is_ours = False
        finally:
            entry.marking -= 1
            self._queue.wake(1)
        if is_ours:
            # All this took time: the mailing may be paused or over by now.
            return self._admission.check(claim, self._clock.now_us())
        return None, 0

    async def _pace(self, claim: Claim, entry: Entry) -> None:
        """Wait for the tokens of this call: one taken before the mark would belong to a moment that is over."""
        # A message that may not be called any more takes no token: the check that follows gives it back.
        while self._admission.allows(claim, entry, self._clock.now_us()) and not self._gate.take(entry.bucket):
            await self._clock.sleep(min(_PACE_STEP_SECONDS, self._gate.wait_us(entry.bucket) / US_PER_SECOND))

    def _finish(
        self,
        claim: Claim,
        outcome: Outcome,
        started_us: int,
        finished_us: int,
        text_version: int | None,
        rendered: str | None = None,
    ) -> None:
        event, due_us = Event.ACCEPT, 0
        if outcome.verdict is not Verdict.SENT:
            event, due_us = outcome.event, self._due_us(claim, outcome, finished_us)
        status, detail = outcome.http_status, outcome.detail
        self._recorder.put(claim.ended(event, started_us, finished_us, status, detail, due_us, text_version, rendered))

    def _due_us(self, claim: Claim, outcome: Outcome, finished_us: int) -> int:
        """When to try a message again that was not accepted; 0: never. The store decides whether one with an unknown
        outcome is tried again at all."""
        is_final = outcome.event is Event.REJECT
        log.info(_LINES[outcome.event], **_names(claim), attempt=claim.attempt, detail=outcome.detail)
        jitter, wait_seconds = self._random.random(), outcome.retry_after_seconds
        return 0 if is_final else self._retry.due_us(finished_us, claim.attempt, jitter, wait_seconds)


def _names(claim: Claim) -> dict[str, int]:
    return {"message_id": claim.message_id, "mailing_id": claim.mailing_id, "client_id": claim.client_id}
