"""Texts that somebody sends to try them: at once, and by the same rules of the provider as all others.

They stand in no queue, so they get their turn however much waits there; they take the provider's tokens as others do.
A rate that leaves them none for a while refuses them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from common.error_codes import ErrorCode, Fault
from engine.delivery.state import State
from engine.domain.breaker import BreakerState
from engine.domain.outcome import Outcome, Verdict, classify
from engine.domain.units import US_PER_SECOND, in_us
from engine.ports import Provider, Request

TURN_SECONDS: Final = 10.0
"""So long a text waits for a token of the provider's rate."""
_STEP_SECONDS: Final = 0.05
_LATE: Final = "the provider's rate had no place for it"


class Trials:
    """One for an engine."""

    def __init__(self, state: State, provider: Provider) -> None:
        self._gate, self._clock, self._provider = state.gate, state.clock, provider
        self._timeout_seconds = state.settings.provider_timeout_seconds

    def refusal(self) -> Fault | None:
        """Why no text can be tried just now; ``None``: one can. It is never the probe of a provider that is away."""
        gate, now_us = self._gate, self._clock.now_us()
        if gate.sending_paused:
            return ErrorCode.SENDING_PAUSED.format()
        if gate.breaker.state is not BreakerState.CLOSED or gate.held_until_us(now_us):
            return ErrorCode.PROVIDER_CLOSED.format(problem=gate.detail or gate.breaker.state.value)
        return None

    async def send(
        self, message_id: int, phone_number: int, text: str, is_wanted: Callable[[], Awaitable[str]]
    ) -> Outcome:
        """Call the provider once.

        Args:
            is_wanted: asked right before the call: why not, in words; empty: it is.
        """
        if problem := await self._turn(message_id) or await is_wanted():
            return Outcome(Verdict.RETRY, None, problem, None)
        answer = await self._provider.send(Request(message_id, phone_number, text, self._timeout_seconds))
        now_us = self._clock.now_us()
        outcome = classify(answer, now_us)
        self._gate.report(message_id, outcome, now_us)
        return outcome

    async def _turn(self, message_id: int) -> str:
        """Wait for a token; why there is none, in words."""
        gate, until_us = self._gate, self._clock.monotonic_us() + in_us(TURN_SECONDS)
        while (problem := self.refusal()) is None and self._clock.monotonic_us() < until_us:
            wait_us = 0 if gate.allows(message_id, self._clock.now_us()) else in_us(_STEP_SECONDS)
            if not wait_us and gate.take(None):
                return ""
            await self._clock.sleep(min(_STEP_SECONDS, max(wait_us, gate.wait_us()) / US_PER_SECOND))
        return problem or _LATE
