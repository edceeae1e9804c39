"""Delivery as the API sees it: changes go in, and how delivery does comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from common.error_codes import Fault
from engine.api.control import ActorStatus, BreakerStatus, DeliveryStatus, ProviderCalls
from engine.delivery.delivery import Delivery
from engine.domain.breaker import BreakerState
from engine.domain.forecast import expected_speed
from engine.domain.outcome import Outcome
from engine.provider_window import ProviderWindow


class DeliveryForApi:
    """Implements ``api.control.DeliveryControl``, and says for ``/readyz`` what is not ready."""

    def __init__(self, delivery: Delivery, window: ProviderWindow) -> None:
        self._delivery, self._window = delivery, window
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

    def trial_refusal(self) -> Fault | None:
        """See ``DeliveryControl``."""
        return self._actors.trials.refusal()

    async def send_trial(
        self, message_id: int, phone_number: int, text: str, is_wanted: Callable[[], Awaitable[str]]
    ) -> Outcome:
        """See ``DeliveryControl``."""
        return await self._actors.trials.send(message_id, phone_number, text, is_wanted)

    def provider_calls(self) -> ProviderCalls:
        """See ``DeliveryControl``."""
        return self._window.calls(self._state.clock.now_us())

    def forecast_rate(self) -> float:
        """See ``DeliveryControl``."""
        workers = self._state.queue.workers
        return expected_speed(
            full_speed=self._state.sent_rate.full_speed(workers),
            call_seconds=self._window.mean_seconds(),
            workers=workers,
            workers_of_all=sum(engine.workers for engine in self._actors.control.engines),
            limit=self._actors.control.provider_rate,
        )

    def status(self) -> DeliveryStatus:
        """See ``DeliveryControl``."""
        state, control, now_us = self._state, self._actors.control, self._state.clock.now_us()
        return DeliveryStatus(
            engine_id=state.engine_id,
            workers=state.queue.workers,
            queue_size=state.queue.capacity,
            queue_depth=len(state.queue),
            in_flight=state.queue.in_flight,
            rate_limit=control.provider_rate,
            rate_per_second=state.sent_rate.per_second(now_us),
            sending_paused=state.gate.sending_paused,
            breaker=self._breaker(now_us),
            engines=control.engines,
            actors=tuple(self._parts(now_us)),
        )

    def health(self) -> Mapping[str, str | None]:
        """Each component and why it is not ready, for ``/readyz``; ``None``: it is ready."""
        status = self.status()
        components: dict[str, str | None] = {
            actor.name: None if actor.healthy else actor.detail or "is starting again" for actor in status.actors
        }
        components["provider"] = None if status.breaker.is_well else f"{status.breaker.state}: {status.breaker.detail}"
        return components

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

    def _breaker(self, now_us: int) -> BreakerStatus:
        gate = self._state.gate
        breaker = gate.breaker
        closed = breaker.state is BreakerState.CLOSED
        return BreakerStatus(
            state=breaker.state,
            next_probe_us=(gate.held_until_us(now_us) or None) if closed else breaker.ready_us(now_us),
            consecutive_failures=breaker.failures,
            detail=gate.detail,
            is_misaddressed=gate.is_misaddressed,
        )
