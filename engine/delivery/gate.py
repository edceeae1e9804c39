"""Whether any call may start now, whatever the mailing: breaker, provider's rate, the operator's switch."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from common.logs import get_logger
from engine.delivery.on_way import CallsOnWay
from engine.domain.breaker import Breaker, BreakerState
from engine.domain.message import Event
from engine.domain.outcome import Outcome, Verdict
from engine.domain.pacing import TokenBucket

STALE_SECONDS: Final = 2.0
"""With several engines on one database, an engine that has not read the control record for that time begins no call."""

log = get_logger(__name__)


def _never() -> bool:
    return False


class Gate:
    """One for each provider. Everything here is decided without waiting."""

    def __init__(
        self, breaker: Breaker, rate_per_second: float, random: Random, on_way: CallsOnWay, *, name: str = ""
    ) -> None:
        """``name``: the provider's, for the log."""
        self.breaker, self._name = breaker, name
        self._on_way = on_way
        self.bucket = TokenBucket(rate_per_second)
        self.has_share = True
        """False: nothing of the provider's rate is ours. Other engines use all of it, or may have taken us for dead."""
        self.is_stale: Callable[[], bool] = _never
        """With other engines on the database: no call starts when the control record was last read
        too long ago, for a pause may have been missed."""
        self.store_away = False
        """The store has failed, or does not answer, and has not answered since: outcomes of calls that begin now might
        be lost."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the breaker changes its state, and when the store goes away or is back."""
        self.detail = ""
        """The provider's last failure in words, while the breaker is not closed, calls are held, or the address is
        probably wrong."""
        self.is_misaddressed = False
        """The last answer was "all right", but no provider's: the address is probably wrong."""
        self.sending_paused = False
        self.stopping = False
        self.is_shut = False
        """True while no call may start until somebody says so: paused or stopping."""
        self.is_calm = True
        """Nothing failed lately: a success has nothing to tell the breaker."""
        self.is_free = False
        """Nothing limits calls, neither breaker, rate, operator nor another engine: ``ready_us``, ``start`` and
        ``allows`` need not be asked."""
        self._is_held = False
        self._probe_id: int | None = None
        self._random = random
        self._sum_up()

    def pause(self, paused: bool) -> None:
        """The operator's switch."""
        self.sending_paused = paused
        self._sum_up()

    def stop(self) -> None:
        """For good: the engine is stopping."""
        self.stopping = True
        self._sum_up()

    def share_rate(self, rate_per_second: float | None) -> None:
        """Take over this engine's part of the provider's rate (``domain.pacing.RateShare``)."""
        self.has_share = rate_per_second is not None
        if rate_per_second is not None:
            self.bucket.set_rate(rate_per_second)
        self._sum_up()

    def watch(self, is_stale: Callable[[], bool]) -> None:
        """There may be other engines: ask this before each call."""
        self.is_stale = is_stale
        self._sum_up()

    def hear_store(self, answers: bool) -> None:
        """The store has answered, or has failed to."""
        if self.store_away == answers:
            self.store_away = not answers
            self._sum_up()
            self.on_change()

    def ready_us(self, now_us: int) -> int | None:
        """When the next call may start, but for the rate: ``now_us``, later, or ``None`` (until something changes)."""
        if self.is_shut or self.store_away or not self.has_share or self.is_stale():
            return None
        ready_us = self.breaker.ready_us(now_us)
        if ready_us is None:
            return None
        if self._is_held and not self.held_until_us(now_us):
            self._is_held = False
            self._sum_up()
        return ready_us

    def wait_us(self, bucket: TokenBucket | None = None, tokens: int = 1) -> int:
        """How long until the provider's rate has so many tokens, and a mailing's has one; 0: they have them."""
        now_us = self._on_way.now_us()
        wait_us = self.bucket.wait_us(now_us, tokens)
        return wait_us if bucket is None else max(wait_us, bucket.wait_us(now_us))

    def take(self, bucket: TokenBucket | None, tokens: int = 1) -> bool:
        """Use up tokens of the provider's rate and one of a mailing's, for a call that begins at once; False, and
        nothing happens, when one of them has too few."""
        wanted = [(self.bucket, tokens)] if bucket is None else [(self.bucket, tokens), (bucket, 1)]
        limited = [pair for pair in wanted if pair[0].rate_per_second]
        return not limited or self._on_way.take(limited)

    def held_until_us(self, now_us: int) -> int:
        """Until when the provider wants no call (``Retry-After`` on 429 or 503); 0: it does not say so."""
        return self.breaker.held_until_us(now_us) if self._is_held else 0

    def allows(self, message_id: int, now_us: int) -> bool:
        """Whether a call that was let through a moment ago may still begin."""
        if self.is_shut or self.store_away or not self.has_share or self.is_stale() or self.held_until_us(now_us):
            return False
        return self.breaker.state is BreakerState.CLOSED or message_id == self._probe_id

    def start(self, message_id: int, now_us: int) -> None:
        """A message is on its way to its call; it is the probe when the breaker is not closed."""
        if self.breaker.start(now_us):
            self._probe_id = message_id

    def report(self, message_id: int, outcome: Outcome, now_us: int) -> None:
        """Tell the breaker how the call ended."""
        before, probe = self.breaker.state, self._is_probe(message_id)
        if outcome.verdict is Verdict.BLOCKED:
            self.breaker.block(now_us, probe)
        elif outcome.verdict is Verdict.FORBIDDEN:
            self.breaker.forbid(message_id, now_us, probe)
        elif outcome.shows_life:
            self.breaker.succeed(probe)
        else:
            self.breaker.fail(now_us, self._random.random(), probe)
        if outcome.hold_seconds:
            self.breaker.hold(now_us, outcome.hold_seconds)
            self._is_held = True
        self._note(outcome)
        if self.breaker.state is not before:
            log.warning(
                "provider.breaker",
                provider=self._name,
                state=self.breaker.state.value,
                before=before.value,
                detail=self.detail,
            )
        if probe or outcome.hold_seconds or self.breaker.state is not before:
            self.on_change()

    def abandon(self, message_id: int) -> None:
        """The call did not take place after all: a probe's place is free again."""
        if self._is_probe(message_id):
            self.breaker.abandon(True)
            self.on_change()

    def _note(self, outcome: Outcome) -> None:
        if outcome.shows_life:
            self.is_misaddressed = False
        elif outcome.is_misaddressed:
            self.is_misaddressed = True
        well = self.breaker.state is BreakerState.CLOSED and not self._is_held and not self.is_misaddressed
        if well:
            self.detail = ""
        elif outcome.event in (Event.DEFER, Event.MISS):
            self.detail = outcome.detail
        self._sum_up()

    def _sum_up(self) -> None:
        """Work out the flags that are asked twice for each message: what they depend on hardly ever changes."""
        closed = self.breaker.state is BreakerState.CLOSED
        self.is_shut = self.sending_paused or self.stopping
        self.is_calm = self.breaker.is_quiet and not self.detail
        alone = self.is_stale is _never
        limited = self.is_shut or self.store_away or self._is_held or not self.has_share or self.bucket.rate_per_second
        self.is_free = alone and closed and not limited

    def _is_probe(self, message_id: int) -> bool:
        if message_id != self._probe_id:
            return False
        self._probe_id = None
        return True
