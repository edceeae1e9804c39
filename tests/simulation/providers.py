"""The providers of a life: one as a rule, or several with their order, numbers and manners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from random import Random

from engine.delivery.delivery import DeliverySettings, Supplier
from engine.domain.breaker import Breaker
from engine.provider.spec import FBRQ, ProviderSpec
from tests.simulation.world import Call, SimulatedProvider

_NAMES = (FBRQ, "second", "third")
_SOME_NUMBERS = ("7916000000", "7916000002")
_ONE_WISHES = 0.2


def draw_specs(random: Random, settings: DeliverySettings, prices: Mapping[str, float]) -> list[ProviderSpec]:
    """One, two or three of them. There is always one that takes all numbers."""
    # Where nothing has a price, one that has the numbers to itself is claimed for several mailings at once.
    names = _NAMES[: random.choice((1, 2, 2, 3) if prices else (1, 1, 1, 3))]
    for_all = random.choice(names)
    return [
        ProviderSpec(
            name=name,
            rate=settings.provider_rate,
            workers=settings.workers,
            time_out_seconds=settings.provider_timeout_seconds,
            prefixes=_SOME_NUMBERS if name != for_all and random.random() < 0.3 else (),
            failover=random.random() < 0.8,
            price_per_segment=prices.get(name),
        )
        for name in names
    ]


def draw_wish(random: Random, specs: Sequence[ProviderSpec]) -> str | None:
    """The provider that a mailing is for: one that takes all numbers, or else any."""
    able = [spec.name for spec in specs if not spec.prefixes]
    return random.choice(able) if len(specs) > 1 and random.random() < _ONE_WISHES else None


def suppliers_of(
    specs: Sequence[ProviderSpec], provider_of: Callable[[str], SimulatedProvider], breaker: Callable[[], Breaker]
) -> list[Supplier]:
    """What an engine is given."""
    return [Supplier(spec, provider_of(spec.name), breaker(), is_steered=len(specs) == 1) for spec in specs]


def by_provider(calls: Sequence[Call]) -> list[list[Call]]:
    """The calls of each provider, in order."""
    names = sorted(calls, key=lambda call: call.provider)
    return [list(group) for _, group in groupby(names, key=lambda call: call.provider)]


def in_two_hands(calls: Sequence[Call]) -> Iterator[str]:
    """Calls of one message that went to a second provider although a first may have taken it."""
    for place, call in enumerate(calls):
        others = {later.provider for later in calls[place + 1 :]} - {call.provider}
        if others and (call.http_status == 200 or not call.is_known):
            yield f"17: message {call.message_id} may be at {call.provider}, and was given to {min(others)}"
