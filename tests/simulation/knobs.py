"""What is drawn once for a life of several engines. Shape beats number: every constant that cuts work into pieces is
small in a life, or what happens between two pieces is never seen."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from engine.delivery.delivery import DeliverySettings
from engine.domain.audience import AttributeCondition, AttributeOp, AudienceFilter
from engine.domain.window import LocalHours
from tests.simulation.world import Faults

TROUBLES: Final = (
    "kill",
    "freeze",
    "freeze inside",
    "read-only",
    "outage",
    "cut",
    "lost commit",
    "black hole",
)
_CUTS: Final = (
    ("engine.delivery.audience_builder", "_CHUNK_CLIENTS", (3, 8, 40)),
    ("engine.delivery.audience_builder", "_PURGE_ROWS", (3, 40)),
    ("engine.delivery.ticker", "_SWEEP_ROWS", (3, 40)),
    ("engine.delivery.recovery", "_RECOVER_ROWS", (3, 40)),
    ("engine.delivery.clock_watch", "_CHUNK_ROWS", (3, 40)),
    ("engine.delivery.recorder", "_BATCH_MAX", (2, 10, 1000)),
    # The control record is read so often that it would cost more than all messages.
    ("engine.delivery.control_keeper", "_READ_SECONDS", (0.1, 0.3, 0.5)),
)
_CALM_RECOVERY_SECONDS: Final = 5.0
_CALM_TICK_SECONDS: Final = 30.0
_DAY_SECONDS: Final = 86_400


@dataclass
class Knobs:
    """Of one life."""

    engines: int
    settings: DeliverySettings
    faults: Faults
    troubles: tuple[str, ...]
    slow: float
    statement_seconds: tuple[float, float]
    skews_us: tuple[int, ...]
    disorder: bool
    """Rows that a statement locks in no order of its own are locked in any."""
    begin_seconds: float
    """When the life begins, after midnight UTC."""
    idle_seconds: float
    """How long the engines are up before somebody comes."""
    busy_seconds: float
    clients: int
    mailings: int
    actions_per_second: float
    pieces: tuple[Any, ...]

    @classmethod
    def draw(cls, random: Random, engines: int, troubles: tuple[str, ...] | None) -> Knobs:
        """Some life with at most so many engines."""
        lease_seconds = random.choice((3.0, 8.0, 8.0))
        drawn = random.choices(TROUBLES, k=random.choice((0, 1, 1, 2))) if troubles is None else troubles
        return cls(
            engines=engines if random.random() < 0.7 else random.randint(1, engines),
            settings=DeliverySettings(
                workers=random.choice((1, 2, 6)),
                slots=random.choice((0, 0, 12)),
                queue_size=random.choice((4, 50)),
                tick_seconds=5.0,
                provider_rate=random.choice((0.0, 0.0, 0.0, 20.0)),
                provider_timeout_seconds=2.0,
                retry_base_seconds=1.0,
                retry_max_seconds=4.0,
                lease_seconds=lease_seconds,
            ),
            faults=_faults(random),
            troubles=tuple(drawn),
            slow=random.choice((0.15, 0.15, 0.4, 1.0)),
            statement_seconds=(0.0, random.choice((0.01, 0.05))),
            skews_us=(-300_000, 0, 300_000) if random.random() < 0.3 else (0,),
            disorder=random.random() < 0.5,
            begin_seconds=random.randrange(_DAY_SECONDS // 60 - 60) * 60 + random.uniform(45, 59),
            # Engines that have been up for 10 s take over what others have left.
            idle_seconds=random.choice((0.0, 9.0)),
            busy_seconds=random.uniform(2, 7),
            clients=random.choice((3, 12, 25, 40)),
            mailings=random.randint(1, 3),
            actions_per_second=random.choice((1.0, 1.0, 4.0)),
            pieces=tuple(random.choice(choices) for _, _, choices in _CUTS),
        )

    @property
    def skew_max_us(self) -> int:
        """How far two clocks may be apart."""
        return max(self.skews_us) - min(self.skews_us)

    @contextmanager
    def cuts(self) -> Iterator[None]:
        """While it lasts, work is cut into this life's pieces."""
        with _set([(module, name) for module, name, _ in _CUTS], self.pieces):
            yield


@contextmanager
def listed_or_walked(random: Random) -> Iterator[None]:
    """While it lasts, clients of ``filter.messages`` are found by the other mailing's messages, or all of them are
    looked at, as if those were many. Breakdowns are kept of all mailings, as if all had very many messages."""
    places = [("engine.store.snapshots", "_LISTED_MAX"), ("engine.store.breakdowns", "AT_ONCE_MAX")]
    with _set(places, [random.choice((50_000, 0)), -1]):
        yield


@contextmanager
def seldom_looked() -> Iterator[None]:
    """While it lasts, an engine that is alone looks seldom for what time may have brought. To wait quietly until local
    hours open or a mailing ends would cost more than all that happened before."""
    with _set([("engine.delivery.recovery", "_STEP_SECONDS")], [_CALM_RECOVERY_SECONDS]):
        yield


def calm(settings: DeliverySettings) -> DeliverySettings:
    """These settings with a tick that comes seldom: everything that is due wakes the ticker by itself."""
    return replace(settings, tick_seconds=_CALM_TICK_SECONDS)


@contextmanager
def _set(places: Sequence[tuple[str, str]], values: Sequence[Any]) -> Iterator[None]:
    """While it lasts, these constants of modules have these values."""
    found = [(importlib.import_module(module), name) for module, name in places]
    before = [getattr(module, name) for module, name in found]
    for (module, name), value in zip(found, values, strict=True):
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in zip(found, before, strict=True):
            setattr(module, name, value)


def draw_local_hours(random: Random, now_seconds: float, zone_hours: int) -> LocalHours:
    """Hours of which one edge falls within the next minute, for a client in this zone."""
    edge = (int(now_seconds // 60) + 1 + zone_hours * 60) % 1440
    other = (edge + random.choice((60, 600))) % 1440
    return LocalHours(edge, other) if random.random() < 0.5 else LocalHours(other, edge)


def _faults(random: Random) -> Faults:
    if random.random() < 0.3:
        return Faults()

    def share(most: float) -> float:
        return random.choice((0.0, 0.0, random.uniform(0, most)))

    return Faults(
        reject=share(0.2),
        unavailable=share(0.3),
        throttle=share(0.1),
        hang=share(0.1),
        lose_answer=share(0.2),
        refuse=share(0.1),
        misroute=share(0.1),
        forbid=share(0.05),
        latency_seconds=random.choice(((0.01, 0.2), (0.01, 0.2), (0.3, 1.8))),
    )


ATTRIBUTES = ("{}", '{"city":"Омск","visits":5}', '{"city":"Тверь"}', '{"visits":"5"}')
CONDITIONS = (
    AttributeCondition("city", AttributeOp.ANY_OF, ('"Омск"', '"Тверь"')),
    AttributeCondition("city", AttributeOp.NONE_OF, ('"Омск"',)),
    AttributeCondition("visits", AttributeOp.AT_LEAST, ("5",)),
    AttributeCondition("city", AttributeOp.IS_NOT_SET),
)


def attributes_of_number(phone_number: int) -> str:
    """Attributes that follow from the number: a client that gets another one has others."""
    return ATTRIBUTES[phone_number % len(ATTRIBUTES)]


def filter_for(tags: tuple[str, ...], random: Random) -> AudienceFilter:
    """A filter by tags, and in a third of all cases by attributes, or without a tag, besides."""
    kind = random.randrange(6)
    if kind == 0:
        return AudienceFilter(tags=tags, attributes=(random.choice(CONDITIONS),))
    return AudienceFilter(tags=tags, exclude_tags=("vip",)) if kind == 1 else AudienceFilter(tags=tags)


def draw_settings(random: Random) -> DeliverySettings:
    """Of a life of one engine."""
    lease_seconds = random.choice((3.0, 8.0, 20.0))
    return DeliverySettings(
        workers=random.choice((1, 3, 16)),
        slots=random.choice((0, 0, 64)),
        queue_size=random.choice((4, 50)),
        tick_seconds=random.choice((1.0, 5.0)),
        provider_rate=random.choice((0.0, 0.0, 50.0)),
        provider_timeout_seconds=2.0,
        retry_base_seconds=random.choice((0.2, 1.0)),
        retry_max_seconds=5.0,
        lease_seconds=lease_seconds,
    )


def draw_faults(random: Random) -> Faults:
    """Of a life of one engine."""
    if random.random() < 0.2:
        return Faults()

    def share(most: float) -> float:
        return random.choice((0.0, random.uniform(0, most)))

    return Faults(
        reject=share(0.2),
        unavailable=random.choice((0.0, share(0.6), share(0.6), 0.95)),
        throttle=share(0.2),
        hang=share(0.1),
        lose_answer=share(0.2),
        refuse=share(0.1),
        misroute=share(0.1),
        forbid=random.choice((0.0, share(0.1), share(0.6), 0.95)),
        store_fails=share(0.05),
        store_fails_after=random.choice((0.0, share(0.05), share(0.3), 0.25)),
        store_stalls=share(0.3),
        latency_seconds=random.choice(((0.01, 0.2), (0.01, 0.2), (0.4, 1.9))),
        store_seconds=(0.0, random.choice((0.01, 0.01, 1.0))),
    )
