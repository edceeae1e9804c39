"""Short ways to make what delivery works with."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from engine.delivery.book import Book
from engine.delivery.gate import Gate
from engine.delivery.on_way import CallsOnWay
from engine.delivery.queue import DeliveryQueue
from engine.domain.audience import AudienceFilter
from engine.domain.breaker import Breaker
from engine.ports import AudienceState, Claim, OnUncertain, Plan
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop

HOUR_US = 3_600_000_000


def a_plan(mailing_id: int, **changes: Any) -> Plan:
    """A mailing that may send now, for the next hour."""
    plan = Plan(
        mailing_id=mailing_id,
        text="hello",
        filter=AudienceFilter(),
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
    """A queue with its gate and its book, in virtual time."""

    def __init__(
        self,
        loop: VirtualLoop,
        *plans: Plan,
        capacity: int = 100,
        workers: int = 100,
        slots_min: int = 0,
        rate: float = 0,
    ) -> None:
        self.clock = VirtualClock(loop)
        on_way = CallsOnWay(self.clock)
        self.gate = Gate(Breaker(failure_threshold=3), rate, Random(1), on_way)
        self.book = Book(on_way)
        self.book.load(plans or (a_plan(1), a_plan(2)))
        self.queue = DeliveryQueue(
            capacity, workers, slots_min=slots_min, gate=self.gate, book=self.book, clock=self.clock
        )
