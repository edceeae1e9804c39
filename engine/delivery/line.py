"""One engine's way to one provider: what may be called when, what waits for it, and who calls.

A provider that is slow, dead or held back by its rate takes nothing from the others, for nothing here is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from engine.delivery.admission import Admission
from engine.delivery.bell import Bell
from engine.delivery.book import Book, Entry
from engine.delivery.gate import Gate
from engine.delivery.hand import Hand
from engine.delivery.on_way import CallsOnWay
from engine.delivery.queue import DeliveryQueue
from engine.delivery.rate_meter import RateMeter
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.domain import cost
from engine.domain.breaker import Breaker, BreakerState
from engine.domain.cost import NO_PRICE, Quote
from engine.domain.routing import Way, ranges_of
from engine.domain.segments import count_segments
from engine.domain.template import Template
from engine.domain.units import US_PER_SECOND, in_us
from engine.person import Person
from engine.ports import Provider
from engine.provider.spec import FBRQ, ProviderSpec

_MOMENT_US: Final = US_PER_SECOND
"""A provider that wants to be left alone for no longer is waited for, and not replaced."""


@dataclass(frozen=True, slots=True)
class Supplier:
    """A provider, and what must be known of it."""

    spec: ProviderSpec
    provider: Provider
    breaker: Breaker = field(default_factory=Breaker)
    is_steered: bool = False
    """Its workers and its rate can be changed while engines run."""

    @classmethod
    def alone(cls, provider: Provider, settings: DeliverySettings, breaker: Breaker | None = None) -> Supplier:
        """The only one, as the settings have it."""
        spec = ProviderSpec(
            name=FBRQ,
            rate=settings.provider_rate,
            workers=settings.workers,
            time_out_seconds=settings.provider_timeout_seconds,
        )
        return cls(spec, provider, breaker or Breaker(), is_steered=True)


def way_of(provider_id: int, spec: ProviderSpec) -> Way:
    """The provider as it stands among the others while its breaker is closed."""
    price = 0 if spec.price_per_segment is None else cost.micros(spec.price_per_segment)
    return Way(provider_id, True, ranges_of(spec.prefixes), spec.name, frozenset(spec.senders), price, spec.retired)


@dataclass(frozen=True, slots=True)
class Common:
    """What the lines of an engine share."""

    settings: DeliverySettings
    clock: SharedClock
    on_way: CallsOnWay
    bell: Bell
    hand: Hand
    book: Book
    random: Random


class Line:
    """One for each provider."""

    def __init__(self, number: int, provider_id: int, supplier: Supplier, common: Common) -> None:
        """``number``: its place among the lines, from 0. ``provider_id``: under which the store knows the provider."""
        spec, settings = supplier.spec, common.settings
        self.number, self.provider_id = number, provider_id
        self.spec, self.provider, self.is_steered = spec, supplier.provider, supplier.is_steered
        self._way = way_of(provider_id, spec)
        self.price = self._way.price
        """Of a segment, in millionths; 0: it has none."""
        self._segments_max = settings.segments_max
        self._book, self._clock = common.book, common.clock.own
        self.gate = Gate(supplier.breaker, spec.rate, common.random, common.on_way, name=spec.name)
        self.admission = Admission(
            gate=self.gate,
            book=common.book,
            hand=common.hand,
            clock=common.clock,
            lease_margin_us=in_us(settings.lease_seconds / 8),
            rate_unit=spec.rate_unit,
            segments_max=settings.segments_max,
        )
        self.queue = DeliveryQueue(
            settings.queue_size,
            spec.workers,
            slots_min=settings.slots,
            admission=self.admission,
            bell=common.bell,
            clock=self._clock,
        )
        self.sent_rate = RateMeter()

    @property
    def way(self) -> Way:
        """The provider as it stands among the others now."""
        way = self._way
        return Way(way.provider_id, self.is_open, way.ranges, way.name, way.senders, way.price, way.is_retired)

    def quote(self, entry: Entry) -> Quote:
        """What a message of a mailing can cost here."""
        if not self.price:
            return NO_PRICE
        has_budget = entry.plan.budget is not None
        if entry.letter is not None:
            return Quote(count_segments(entry.letter.text).segments * self.price, has_budget)
        return Quote(self._segments_max * self.price, has_budget, partial(self._price_for, entry.template))

    def _price_for(self, template: Template, person: Person) -> int:
        dearest = self._segments_max * self.price
        try:
            letter = person.letter(template, self._segments_max)
            # Without a text nothing is called: a client who has got what lacked meanwhile is claimed anew.
            return 0 if letter.lack else min(dearest, count_segments(letter.text).segments * self.price)
        except Exception:
            return dearest  # the worker meets it again, and makes it this one message's trouble

    def price_of(self, text: str) -> int | None:
        """What a text costs here; ``None``: the provider has no price."""
        return count_segments(text).segments * self.price if self.price else None

    @property
    def is_open(self) -> bool:
        """Its breaker is closed, and the provider has not asked to be left alone for longer than a moment."""
        now_us = self._clock.now_us()
        held_us = self.gate.held_until_us(now_us) - now_us
        return self.gate.breaker.state is BreakerState.CLOSED and held_us <= _MOMENT_US

    @property
    def busy_workers(self) -> int:
        """How many workers there are, if all of them have work, more waits, and no rate holds any of them back; else
        0."""
        queue = self.queue
        if self.gate.bucket.rate_per_second or not len(queue) or queue.slots_used < queue.workers:
            return 0
        paced = any(entry.marking and entry.bucket is not None for entry in self._book)  # they wait with a slot
        return 0 if paced else queue.workers
