"""Delivery as the API sees it: changes go in, and how delivery does comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from common.error_codes import Fault
from engine.api.control import HELD_WORDS, ActorStatus, BreakerStatus, DeliveryStatus, ProviderCalls, ProviderStatus
from engine.delivery.delivery import Delivery
from engine.delivery.gate import Gate
from engine.delivery.line import Line
from engine.domain.breaker import BreakerState
from engine.domain.forecast import expected_speed
from engine.domain.outcome import Outcome
from engine.domain.routing import Way, Wish
from engine.hooks.herald import ProviderStanding
from engine.provider_window import ProviderWindow

_WORSE: Final = (BreakerState.CLOSED, BreakerState.OPEN, BreakerState.BLOCKED)


class DeliveryForApi:
    """Implements ``api.control.DeliveryControl``, and says for ``/readyz`` what is not ready."""

    def __init__(
        self,
        delivery: Delivery,
        windows: Mapping[int, ProviderWindow],
        missing: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """``windows``: the calls of the last minutes, by the provider's number. ``missing``: how many messages wait for
        providers that are in the file no more."""
        self._delivery, self._windows, self._missing = delivery, windows, missing
        self._state, self._actors = delivery.state, delivery.actors

    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        """See ``DeliveryControl``."""
        await self._delivery.refresh(mailing_id, is_new=is_new)

    async def clients_changed(self, client_ids: Sequence[int]) -> None:
        """See ``DeliveryControl``."""
        self._actors.clients.changed(client_ids)

    async def clients_followed(self, client_ids: Sequence[int] | None = None) -> None:
        """See ``DeliveryControl``."""
        await self._actors.clients.followed(client_ids)

    async def control_changed(self) -> None:
        """See ``DeliveryControl``."""
        await self._delivery.control_changed()

    def trial_refusal(self, phone_numbers: Iterable[int], wish: Wish) -> Fault | None:
        """See ``DeliveryControl``."""
        return self._actors.trials.refusal(phone_numbers, wish)

    async def send_trial(
        self, message_id: int, phone_number: int, text: str, is_wanted: Callable[[], Awaitable[str]], wish: Wish
    ) -> Outcome:
        """See ``DeliveryControl``."""
        return await self._actors.trials.send(message_id, phone_number, text, is_wanted, wish)

    def provider_calls(self) -> ProviderCalls:
        """See ``DeliveryControl``."""
        now_us = self._state.clock.now_us()
        every = [window.calls(now_us) for window in self._windows.values()]
        return ProviderCalls(
            window_seconds=max(calls.window_seconds for calls in every),
            calls=sum(calls.calls for calls in every),
            errors=sum(calls.errors for calls in every),
            latency=sum((Counter(calls.latency) for calls in every), Counter()),
        )

    def ways(self) -> Sequence[Way]:
        """See ``DeliveryControl``."""
        return self._state.router.ways

    @property
    def is_steered(self) -> bool:
        """See ``DeliveryControl``."""
        return self._state.is_steered

    def forecast_rate(self) -> float:
        """See ``DeliveryControl``. The providers that are responsible for some numbers now."""
        return sum(self._speed_of(line) for line in self._state.router.responsible())

    def _speed_of(self, line: Line) -> float:
        control, workers = self._actors.control, line.queue.workers
        share = workers / max(1, self._state.workers)
        return expected_speed(
            full_speed=line.sent_rate.full_speed(workers),
            call_seconds=self._windows[line.provider_id].mean_seconds(),
            workers=workers,
            workers_of_all=round(share * sum(engine.workers for engine in control.engines)),
            limit=self._state.rate_of(line, control.control),
        )

    def status(self) -> DeliveryStatus:
        """See ``DeliveryControl``."""
        state, control, now_us = self._state, self._actors.control, self._state.clock.now_us()
        providers = tuple(self._provider(line, now_us) for line in state.lines)
        return DeliveryStatus(
            engine_id=state.engine_id,
            workers=state.workers,
            queue_size=sum(line.queue.capacity for line in state.lines),
            queue_depth=state.queued,
            in_flight=state.in_flight,
            rate_limit=providers[0].rate_limit if state.is_steered else 0.0,
            rate_per_second=state.per_second(now_us),
            sending_paused=state.sending_paused,
            held_us=None if control.control is None else control.control.held_us,
            breaker=max((provider.breaker for provider in providers if not provider.retired), key=_badness),
            providers=providers,
            engines=control.engines,
            actors=tuple(self._parts(now_us)),
            missing=self._missing(),
        )

    def _provider(self, line: Line, now_us: int) -> ProviderStatus:
        spec = line.spec
        return ProviderStatus(
            name=spec.name,
            kind=spec.kind,
            breaker=_breaker(line.gate, now_us),
            rate_limit=self._state.rate_of(line, self._actors.control.control),
            rate_unit=spec.rate_unit.value,
            workers=line.queue.workers,
            queue_depth=len(line.queue),
            in_flight=line.queue.in_flight,
            rate_per_second=line.sent_rate.per_second(now_us),
            prefixes=spec.prefixes,
            senders=spec.senders,
            price_per_segment=spec.price_per_segment,
            calls=self._windows[line.provider_id].calls(now_us),
            retired=spec.retired,
        )

    def provider_standings(self) -> list[ProviderStanding]:
        """Each provider, for those who want to be told when it is down."""
        return [
            ProviderStanding(
                each.name,
                is_down=each.breaker.state is not BreakerState.CLOSED,
                has_answered=each.calls.calls > each.calls.errors,
                detail=each.breaker.detail,
            )
            for each in self.status().providers
        ]

    def health(self) -> Mapping[str, str | None]:
        """Each component and why it is not ready, for ``/readyz``; ``None``: it is ready."""
        status = self.status()
        components: dict[str, str | None] = {
            actor.name: None if actor.healthy else actor.detail or "is starting again" for actor in status.actors
        }
        senders = [each for each in status.providers if not each.retired]
        words = [f"{each.breaker.state}: {each.breaker.detail}" for each in senders]
        if len(words) > 1:
            words = [f"{each.name} {how}" for each, how in zip(senders, words, strict=True)]
        components["provider"] = None if status.can_send else "; ".join(words)
        return components

    def notes(self) -> Iterator[str]:
        """What an operator should know, and is no reason not to be ready."""
        if self.status().held_us is not None:
            yield HELD_WORDS

    def _parts(self, now_us: int) -> Iterator[ActorStatus]:
        """Each actor, and each other part that is not well. A part that has stalled is not well, though its actor
        runs without an error."""
        stalls: dict[str, str] = {}
        for stall in self._delivery.liveness.stalls():
            stalls.setdefault(stall.part, str(stall))
        if fault := self._state.shared_clock.fault:
            stalls["clock_watch"] = fault
        for actor in self._actors.supervisor.health():
            words = stalls.pop(actor.name, "")
            is_well = actor.is_well(now_us) and not words
            # Hundreds of workers that are well say nothing.
            if not actor.name.startswith("worker-") or not is_well:
                yield ActorStatus(actor.name, is_well, actor.restarts, words or actor.last_error)
        for part, words in stalls.items():
            yield ActorStatus(part, healthy=False, detail=words)


def _breaker(gate: Gate, now_us: int) -> BreakerStatus:
    breaker = gate.breaker
    closed = breaker.state is BreakerState.CLOSED
    return BreakerStatus(
        state=breaker.state,
        next_probe_us=(gate.held_until_us(now_us) or None) if closed else breaker.ready_us(now_us),
        consecutive_failures=breaker.failures,
        detail=gate.detail,
        is_misaddressed=gate.is_misaddressed,
    )


def _badness(status: BreakerStatus) -> tuple[int, bool, bool, int]:
    """What is worse is more."""
    is_held = status.next_probe_us is not None
    return _WORSE.index(status.state), status.is_misaddressed, is_held, status.consecutive_failures
