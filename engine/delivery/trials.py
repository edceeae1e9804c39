"""Texts that somebody sends to try them: at once, and by the same rules of the providers as all others.

They stand in no queue, so they get their turn however much waits there; they take the provider's tokens as others do.
A rate that leaves them none for a while refuses them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from common.error_codes import ErrorCode, Fault
from engine.delivery.line import Line
from engine.delivery.state import State
from engine.domain.breaker import BreakerState
from engine.domain.outcome import Outcome, Verdict, classify
from engine.domain.routing import ANY, Wish, holds
from engine.domain.segments import count_segments
from engine.domain.units import US_PER_SECOND, in_us
from engine.ports import Request

TURN_SECONDS: Final = 10.0
"""So long a text waits for a token of the provider's rate."""
_STEP_SECONDS: Final = 0.05
_NOBODY: Final = "no provider takes this number"
_LATE: Final = "the provider's rate had no place for it"


class Trials:
    """One for an engine."""

    def __init__(self, state: State) -> None:
        self._state, self._clock = state, state.clock

    def refusal(self, numbers: Iterable[int], wish: Wish = ANY) -> Fault | None:
        """Why no text can be tried just now: of one of the numbers each provider that takes it is away. ``None``: they
        can, or nobody takes them at all. It is never the probe of a provider that is away."""
        if self._state.sending_paused:
            return ErrorCode.SENDING_PAUSED.format()
        lines = self._state.router.lines_for(wish)
        for number in numbers:
            problems = [self._problem(line) for line in lines if holds(line.way.ranges, number)]
            if problems and all(problems):
                return ErrorCode.PROVIDER_CLOSED.format(problem="; ".join(problems))
        return None

    def _problem(self, line: Line) -> str:
        """Why a provider takes none, in words; empty: it does."""
        gate = line.gate
        if gate.breaker.state is BreakerState.CLOSED and not gate.held_until_us(self._clock.now_us()):
            return ""
        words = gate.detail or gate.breaker.state.value
        return words if line.is_steered else f"{line.spec.name}: {words}"

    async def send(
        self,
        message_id: int,
        phone_number: int,
        text: str,
        is_wanted: Callable[[], Awaitable[str]],
        wish: Wish = ANY,
    ) -> Outcome:
        """Call the first provider that is open and takes the number, once.

        Args:
            is_wanted: asked right before the call: why not, in words; empty: it is.
            wish: which providers may be called.
        """
        line = self._state.router.first_open(phone_number, wish)
        if line is None:
            return Outcome(Verdict.RETRY, None, self.refusal([phone_number], wish) or _NOBODY, None)
        if problem := await self._turn(line, message_id, text) or await is_wanted():
            return Outcome(Verdict.RETRY, None, problem, None)
        segments = count_segments(text).segments
        request = Request(message_id, phone_number, text, line.spec.time_out_seconds, segments=segments)
        answer = await line.provider.send(request)
        now_us = self._clock.now_us()
        outcome = classify(answer, now_us)
        line.gate.report(message_id, outcome, now_us)
        return outcome

    async def _turn(self, line: Line, message_id: int, text: str) -> str:
        """Wait for the tokens; why there are none, in words."""
        gate, until_us = line.gate, self._clock.monotonic_us() + in_us(TURN_SECONDS)
        tokens = line.spec.rate_unit.tokens(text)
        while not (problem := self._refusal_of(line)) and self._clock.monotonic_us() < until_us:
            wait_us = 0 if gate.allows(message_id, self._clock.now_us()) else in_us(_STEP_SECONDS)
            if not wait_us and gate.take(None, tokens):
                return ""
            await self._clock.sleep(min(_STEP_SECONDS, max(wait_us, gate.wait_us(None, tokens)) / US_PER_SECOND))
        return problem or _LATE

    def _refusal_of(self, line: Line) -> str:
        return ErrorCode.SENDING_PAUSED.format() if self._state.sending_paused else self._problem(line)
