"""One worker: take → check → send → classify → hand to the recorder."""

from __future__ import annotations

from random import Random
from typing import Final

from common.line_limit import LineLimit
from common.logs import get_logger
from engine.delivery.book import Entry
from engine.delivery.line import Line
from engine.delivery.marker import Marker, MarkNotStored
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.domain.message import Event
from engine.domain.outcome import Outcome, Verdict, classify
from engine.domain.retry import RetryPolicy
from engine.domain.segments import count_segments
from engine.domain.template import Filled, Template
from engine.domain.units import US_PER_SECOND, in_us
from engine.person import kept
from engine.ports import Claim, Plan, Request

_PACE_STEP_SECONDS: Final = 0.05
"""A worker that waits for a token asks this often whether it still should: a pause must not wait for a slow rate."""

_LINES: Final = {
    Event.REJECT: "message.rejected",
    Event.DEFER: "message.deferred",
    Event.MISS: "message.outcome_unknown",
}

_RETRY, _UNKNOWN, _SENT, _ACCEPT = Verdict.RETRY, Verdict.UNKNOWN, Verdict.SENT, Event.ACCEPT
"""What each call asks for, found once: to find a member of an enum takes Python 3.11 0.07 us."""

log = get_logger(__name__)


class Worker:
    """Delivers one message at a time. All workers of a line share its parts."""

    def __init__(self, state: State, line: Line, *, marker: Marker, recorder: Recorder, random: Random) -> None:
        settings = state.settings
        self._line, self._lines, self._router = line, state.lines, state.router
        self._queue, self._gate, self._admission = line.queue, line.gate, line.admission
        self._marker, self._recorder, self._provider, self._random = marker, recorder, line.provider, random
        self._asks, self._is_priced = any(self._provider.abilities[:3]), bool(line.price)
        self._retry = RetryPolicy(settings.retry_base_seconds, settings.retry_max_seconds)
        self._timeout_seconds = line.spec.time_out_seconds
        self._timeout_us = in_us(self._timeout_seconds)
        self._clock = state.clock
        self._segments_max = settings.segments_max
        self._log_lines = LineLimit()

    async def run(self, number: int) -> None:
        """Deliver until there are to be fewer than ``number`` workers, or none."""
        while self._queue.wants(number):
            claim = self._queue.take_now() or await self._queue.take(number)
            if claim is not None:
                await self.handle(claim)

    async def handle(self, claim: Claim) -> None:
        """Deliver one message, or give it back. A bug met on the way costs this message a retry, no more."""
        started_us = self._clock.now_us()
        verdict = _RETRY
        try:
            entry, due_us = self._admission.check(claim, started_us)
            if entry is not None and entry.marks_first:
                entry, due_us = await self._marked(claim, entry)
                started_us = self._clock.now_us()
            letter = None if entry is None else entry.letter or self._letter(claim, entry.template)
            price = self._line.price_of(letter.text) if self._is_priced and letter is not None else None
            if entry is None or letter is None or (price is not None and not claim.charge.covers(price)):
                self._give_back(claim, due_us)
                return
            plan, timeout_seconds = entry.plan, self._timeout_seconds
            rendered = None if entry.letter is letter else kept(letter)
            if plan.end_us - started_us < self._timeout_us:
                timeout_seconds = (plan.end_us - started_us) / US_PER_SECOND
            entry.in_flight += 1
            verdict = _UNKNOWN
            try:
                # A NamedTuple's own constructor costs three times as much, and this is done for each message.
                request = tuple.__new__(
                    Request, (claim.message_id, claim.phone_number, letter.text, timeout_seconds, "", 0, 1)
                )
                answer = await self._provider.send(self._told(request, plan, started_us) if self._asks else request)
            finally:
                entry.in_flight -= 1
            finished_us = self._clock.now_us()
            outcome = classify(answer, finished_us)
            is_sent = outcome.verdict is _SENT
            if not (is_sent and self._gate.is_calm):
                self._gate.report(claim.message_id, outcome, finished_us)
            told = answer.provider_message_id
            if not is_sent:
                self._finish(claim, plan, outcome, started_us, finished_us, rendered, told, price)
                return
            status, version, smpp_status = outcome.http_status, plan.text_version, outcome.smpp_status
            self._recorder.put(
                claim.ended(
                    _ACCEPT, started_us, finished_us, status, "", 0, version, rendered, told, None, price, smpp_status
                )
            )
        except Exception as error:
            self._log_lines.write(log.error, "message.bug", type(error).__name__, **_names(claim), exc_info=error)
            # No fault of the provider's: the breaker does not hear of it.
            self._gate.abandon(claim.message_id)
            bug = Outcome(verdict, None, f"internal error: {type(error).__name__}", None)
            cost = claim.charge.reserved or None
            self._finish(claim, None, bug, started_us, self._clock.now_us(), cost=cost)

    def _letter(self, claim: Claim, template: Template) -> Filled | None:
        """The text for one client. ``None``: there is none, for the mailing's text was edited since the ticker looked;
        the message goes back, and the ticker looks again."""
        letter = None if claim.person is None else claim.person.letter(template, self._segments_max)
        return None if letter is None or letter.lack else letter

    def _told(self, request: Request, plan: Plan, now_us: int) -> Request:
        """The request with what the provider wants to be told besides."""
        wants = self._provider.abilities
        return request._replace(
            sender=(plan.sender or "") if wants.sender else "",
            valid_seconds=(plan.end_us - now_us) / US_PER_SECOND if wants.validity else 0,
            segments=count_segments(request.text).segments if wants.segments else 1,
        )

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
            for line in self._lines:  # the mailing's messages may wait for this at each of them
                line.queue.wake(1)
        if is_ours:
            # All this took time: the mailing may be paused or over by now.
            return self._admission.check(claim, self._clock.now_us())
        return None, 0

    async def _pace(self, claim: Claim, entry: Entry) -> None:
        """Wait for the tokens of this call: one taken before the mark would belong to a moment that is over."""
        # A message that may not be called any more takes no token: the check that follows gives it back.
        gate, bucket, tokens = self._gate, entry.bucket, self._admission.tokens(claim, entry)
        while self._admission.allows(claim, entry, self._clock.now_us()) and not gate.take(bucket, tokens):
            await self._clock.sleep(min(_PACE_STEP_SECONDS, gate.wait_us(bucket, tokens) / US_PER_SECOND))

    def _finish(
        self,
        claim: Claim,
        plan: Plan | None,
        outcome: Outcome,
        started_us: int,
        finished_us: int,
        rendered: str | None = None,
        told: str | None = None,
        cost: int | None = None,
    ) -> None:
        """Hand over what became of a call that was not accepted; no ``plan``: it has met a bug, and nobody knows which
        text it had. ``told``: what the provider calls the message. ``cost``: what it takes for it."""
        due_us, next_provider = self._after(claim, plan, outcome, finished_us)
        status, detail, version = outcome.http_status, outcome.detail, None if plan is None else plan.text_version
        how = outcome.event, started_us, finished_us, status, detail, due_us
        self._recorder.put(claim.ended(*how, version, rendered, told, next_provider, cost, outcome.smpp_status))

    def _after(self, claim: Claim, plan: Plan | None, outcome: Outcome, finished_us: int) -> tuple[int, int | None]:
        """When to try a message again that was not accepted (0: never), and whose turn it is then. The store decides
        whether one with an unknown outcome is tried again at all; another provider it never gets."""
        event, next_provider = outcome.event, None
        log.info(
            _LINES[event],
            **_names(claim),
            attempt=claim.attempt,
            provider=self._line.spec.name,
            detail=outcome.detail,
        )
        if event is Event.DEFER and plan is not None:
            next_provider = self._router.next_after(self._line, claim.phone_number, plan)
        jitter, wait_seconds = self._random.random(), outcome.retry_after_seconds
        if event is Event.REJECT or next_provider is not None:
            return finished_us if next_provider is not None else 0, next_provider
        return self._retry.due_us(finished_us, claim.attempt, jitter, wait_seconds), None


def _names(claim: Claim) -> dict[str, int]:
    return {"message_id": claim.message_id, "mailing_id": claim.mailing_id, "client_id": claim.client_id}
