"""What the actors share: all of it in memory, and asked without waiting."""

from __future__ import annotations

from random import Random

from engine.delivery.admission import Admission
from engine.delivery.bell import Bell
from engine.delivery.book import Book
from engine.delivery.gate import Gate
from engine.delivery.hand import Hand
from engine.delivery.on_way import CallsOnWay
from engine.delivery.queue import DeliveryQueue
from engine.delivery.rate_meter import RateMeter
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.shares import Shares
from engine.domain.breaker import Breaker
from engine.domain.units import in_us


class State:
    """One for an engine."""

    def __init__(
        self, engine_id: int, clock: SharedClock, settings: DeliverySettings, breaker: Breaker, random: Random
    ) -> None:
        """``engine_id``: under which the other engines know this one."""
        self.engine_id, self.settings = engine_id, settings
        self.clock, self.shared_clock = clock.own, clock
        on_way = CallsOnWay(self.clock)
        self.bell, self.hand, self.book = Bell(), Hand(), Book(on_way)
        self.gate = Gate(breaker, settings.provider_rate, random, on_way)
        self.admission = Admission(
            gate=self.gate,
            book=self.book,
            hand=self.hand,
            clock=clock,
            lease_margin_us=in_us(settings.lease_seconds / 8),
        )
        self.queue = DeliveryQueue(
            settings.queue_size,
            settings.workers,
            slots_min=settings.slots,
            admission=self.admission,
            bell=self.bell,
            clock=self.clock,
        )
        self.shares = Shares(gate=self.gate, book=self.book, bell=self.bell, clock=self.clock)
        self.sent_rate = RateMeter()

    @property
    def busy_workers(self) -> int:
        """How many workers there are, if all of them have work, more waits, and no rate holds any of them back; else
        0."""
        queue = self.queue
        if self.gate.bucket.rate_per_second or not len(queue) or queue.slots_used < queue.workers:
            return 0
        paced = any(entry.marking and entry.bucket is not None for entry in self.book)  # they wait with a slot
        return 0 if paced else queue.workers
