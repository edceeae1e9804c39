"""What the API needs of delivery. Delivery implements it; the tests have a fake one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from common.error_codes import Fault
from engine.domain.breaker import BreakerState
from engine.domain.outcome import Outcome
from engine.domain.routing import Way, Wish
from engine.ports import EngineRow


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The circuit breaker between this engine and the provider."""

    state: BreakerState = BreakerState.CLOSED
    next_probe_us: int | None = None
    """``None``: closed, or a probe is under way. Closed, and a time: the provider wants no call before it."""
    consecutive_failures: int = 0
    detail: str = ""
    """The last failure in words; empty: none."""
    is_misaddressed: bool = False
    """Somebody answers at the provider's address who is not the provider."""

    @property
    def is_well(self) -> bool:
        """The provider takes our calls."""
        return self.state is BreakerState.CLOSED and not self.is_misaddressed


@dataclass(frozen=True, slots=True)
class ActorStatus:
    """One part of delivery, as its supervisor sees it."""

    name: str
    healthy: bool = True
    """False: it failed and has not run well since."""
    restarts: int = 0
    detail: str = ""
    """The last failure in words; empty: none."""


@dataclass(frozen=True, slots=True)
class ProviderCalls:
    """How this engine's calls to a provider, or to all of them, ended lately."""

    window_seconds: float = 0.0
    """Over which time; 0: there was no call yet."""
    calls: int = 0
    errors: int = 0
    """Those of them that will be tried again."""
    cost: int = 0
    """What was taken, or may have been, in millionths."""
    latency: Mapping[int, int] = field(default_factory=dict)
    """Calls by bucket of ``domain.latency``, for ``quantile``."""


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """How one provider is doing, as this engine sees it."""

    name: str
    kind: str = ""
    breaker: BreakerStatus = BreakerStatus()
    rate_limit: float = 0.0
    """What it takes a second, of all engines together, in ``rate_unit``; 0: no limit."""
    rate_unit: str = "messages"
    workers: int = 0
    queue_depth: int = 0
    in_flight: int = 0
    rate_per_second: float = 0.0
    """Messages that it accepted, a second, lately."""
    prefixes: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    price_per_segment: float | None = None
    calls: ProviderCalls = ProviderCalls()
    retired: bool = False
    """It gets nothing new."""


HELD_WORDS: Final = (
    "this database is a copy: nothing is sent until an admin resumes sending. No engine may run on the original then"
)
"""Why sending is held."""


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How this engine is doing, all of it known without asking the database."""

    engine_id: int
    workers: int
    queue_size: int
    queue_depth: int
    in_flight: int
    rate_limit: float
    """Calls to the provider, a second, of all engines together; 0: no limit."""
    rate_per_second: float
    """Messages sent, a second, lately."""
    sending_paused: bool
    held_us: int | None = None
    """Since then sending is paused because the database is a copy; ``None``: it is not held."""
    breaker: BreakerStatus = BreakerStatus()
    """Of the provider that does worst."""
    providers: tuple[ProviderStatus, ...] = ()
    """In the order in which they are asked."""
    engines: tuple[EngineRow, ...] = ()
    """As of this engine's last heartbeat; this one included."""
    actors: tuple[ActorStatus, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    """How many messages wait for providers that are in the file no more, by their names."""

    @property
    def can_send(self) -> bool:
        """There is a provider that takes our calls."""
        return self.breaker.is_well or any(each.breaker.is_well for each in self.providers if not each.retired)

    @property
    def can_call(self) -> bool:
        """There is a provider whose breaker is closed."""
        breakers = [self.breaker, *(each.breaker for each in self.providers if not each.retired)]
        return any(breaker.state is BreakerState.CLOSED for breaker in breakers)


class DeliveryControl(Protocol):
    """Called after the commit of each change, so that delivery follows at once and not at its next tick."""

    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        """A mailing was created (``is_new``), changed or deleted. Returns when no new call for it can start, on any
        engine, that its stored state does not allow."""

    async def clients_changed(self, client_ids: Sequence[int]) -> None:
        """Clients were created, changed or deleted: their messages may have come, gone or be due."""

    async def clients_followed(self, client_ids: Sequence[int] | None = None) -> None:
        """Returns when no new call can start, on any engine, by what these clients (``None``: all that were changed)
        were before."""

    async def control_changed(self) -> None:
        """The control record (workers, rate, paused) was changed. Returns when every live engine follows it."""

    def trial_refusal(self, phone_numbers: Iterable[int], wish: Wish) -> Fault | None:
        """Why no text can be sent just now to try it: of one of the numbers each provider that takes it, of those that
        the wish leaves, is away. ``None``: it can, or nobody takes them at all."""

    async def send_trial(
        self, message_id: int, phone_number: int, text: str, is_wanted: Callable[[], Awaitable[str]], wish: Wish
    ) -> Outcome:
        """Call a provider that the wish leaves once, with a text that belongs to no mailing. ``is_wanted`` is asked
        right before the call: why not, in words; empty: it is."""

    def ways(self) -> Sequence[Way]:
        """The providers, in the order in which they are asked."""

    @property
    def is_steered(self) -> bool:
        """Workers and rate can be changed while engines run. False: a file says them, for each provider."""

    def status(self) -> DeliveryStatus:
        """How this engine is doing now."""

    def provider_calls(self) -> ProviderCalls:
        """How the calls of the last minutes ended."""

    def forecast_rate(self) -> float:
        """The speed, messages a second, that a mailing with the engine to itself may expect; 0: unknown."""
