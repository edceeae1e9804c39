"""Short ways to make what delivery works with."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, Literal

from engine.delivery.line import Supplier
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.state import State
from engine.domain.breaker import Breaker
from engine.domain.routing import FBRQ_ID
from engine.ports import AudienceState, Claim, OnUncertain, Plan
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop
from tests.simulation.world import Faults, SimulatedProvider

HOUR_US = 3_600_000_000
TIMEOUT_SECONDS = 10
MARGIN_SECONDS = 5
"""No call begins with a lease that ends so soon."""


def a_plan(mailing_id: int, **changes: Any) -> Plan:
    """A mailing that may send now, for the next hour."""
    plan = Plan(
        mailing_id=mailing_id,
        text="hello",
        audience_generation=0,
        start_us=EPOCH_US,
        end_us=EPOCH_US + HOUR_US,
        local_hours=None,
        rate_limit=None,
        on_uncertain=OnUncertain.RESEND,
        paused=False,
        cancelled=False,
        deleted=False,
        audience_state=AudienceState.READY,
        rebuilding=False,
        pending=1,
    )
    return replace(plan, **changes)


def a_claim(message_id: int, mailing_id: int = 1, **changes: Any) -> Claim:
    """A first attempt with a lease of an hour."""
    claim = Claim(message_id, mailing_id, message_id, 1, 79160000000 + message_id, "UTC", EPOCH_US + HOUR_US)
    return claim._replace(**changes)


class HandClock:
    """Both clocks, set by hand."""

    def __init__(self) -> None:
        self.at_us = 0

    def now_us(self) -> int:
        return EPOCH_US + self.at_us

    def monotonic_us(self) -> int:
        return self.at_us

    async def sleep(self, seconds: float) -> None:
        """Time is set by hand."""


class Bench:
    """What the actors share, in virtual time, with one provider: a queue with its gate and its book."""

    def __init__(
        self,
        loop: VirtualLoop,
        *plans: Plan,
        capacity: int = 100,
        workers: int = 100,
        slots_min: int = 0,
        rate: float = 0,
        log_messages: Literal["all", "failures"] = "failures",
    ) -> None:
        self.clock = VirtualClock(loop)
        settings = DeliverySettings(
            workers=workers,
            slots=slots_min,
            queue_size=capacity,
            provider_rate=rate,
            provider_timeout_seconds=TIMEOUT_SECONDS,
            retry_base_seconds=1,
            retry_max_seconds=2,
            lease_seconds=8 * MARGIN_SECONDS,
            log_messages=log_messages,
        )
        self.provider = SimulatedProvider(self.clock, Random(1), Faults())
        supplier = Supplier.alone(self.provider, settings, Breaker(failure_threshold=3))
        self.state = State(1, SharedClock(self.clock), settings, {FBRQ_ID: supplier}, Random(1))
        (self.line,) = self.state.lines
        self.gate, self.queue, self.book = self.line.gate, self.line.queue, self.state.book
        self.hand, self.bell = self.state.hand, self.state.bell
        self.book.load(plans or (a_plan(1), a_plan(2)))
