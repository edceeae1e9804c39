"""What the API's tests put in the place of delivery and of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace

from argon2 import PasswordHasher

from common.error_codes import Fault
from engine.access.passwords import Passwords
from engine.api.control import ActorStatus, BreakerStatus, DeliveryStatus, ProviderCalls
from engine.domain.outcome import Outcome, Verdict
from engine.domain.routing import FBRQ_ID, Way, Wish
from engine.ports import EngineRow

START_US = 1_800_000_000_000_000
"""2027-01-15T08:00:00Z."""
SECOND_US = 1_000_000


def cheap_passwords() -> Passwords:
    """argon2id with next to no work: what the work costs is not what these tests are about."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class FakeClock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.us = START_US

    def monotonic_us(self) -> int:
        """As the test wants it to be, too."""
        return self.now_us()

    def now_us(self) -> int:
        return self.us

    async def sleep(self, seconds: float) -> None:
        self.us += int(seconds * SECOND_US)
        await asyncio.sleep(0)

    def pass_seconds(self, seconds: float) -> None:
        self.us += int(seconds * SECOND_US)


class FakeControl:
    """``DeliveryControl`` that remembers what it was told."""

    def __init__(self) -> None:
        self.refreshed: list[int] = []
        self.clients: list[int] = []
        self.clients_told = asyncio.Event()
        self.followed: list[Collection[int] | None] = []
        self.controls = 0
        self.rate = 100.0
        self.refusal: Fault | None = None
        self.trials: list[tuple[int, int, str]] = []
        self.wishes: list[Wish] = []
        """Of those texts."""
        self.outcomes: dict[int, Outcome] = {}
        """Of trials, by number; else they are accepted."""
        self.during_trial: Callable[[int], Awaitable[None]] | None = None
        self.calls = ProviderCalls()
        self.providers: Sequence[Way] = (Way(FBRQ_ID, name="fbrq"),)
        self.is_steered = True
        self.during_refresh: Callable[[int], Awaitable[None]] | None = None
        self.now = DeliveryStatus(
            engine_id=7,
            workers=64,
            queue_size=1000,
            queue_depth=3,
            in_flight=2,
            rate_limit=0.0,
            rate_per_second=12.5,
            sending_paused=False,
            breaker=BreakerStatus(),
            engines=(EngineRow(7, "host:1", START_US, START_US + 1, 5, 64, 2),),
            actors=(ActorStatus("ticker"), ActorStatus("recorder", restarts=1, detail="it fell")),
        )

    def trial_refusal(self, phone_numbers: Iterable[int], wish: Wish) -> Fault | None:
        return self.refusal

    async def send_trial(
        self, message_id: int, phone_number: int, text: str, is_wanted: Callable[[], Awaitable[str]], wish: Wish
    ) -> Outcome:
        self.wishes.append(wish)
        if self.during_trial is not None:
            await self.during_trial(phone_number)
        if problem := await is_wanted():
            return Outcome(Verdict.RETRY, None, problem, None)
        self.trials.append((message_id, phone_number, text))
        return self.outcomes.get(phone_number, Outcome(Verdict.SENT, 200, "", None))

    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        if self.during_refresh is not None:
            await self.during_refresh(mailing_id)
        self.refreshed.append(mailing_id)

    async def clients_changed(self, client_ids: Collection[int]) -> None:
        self.clients.extend(client_ids)
        self.clients_told.set()

    async def clients_followed(self, client_ids: Collection[int] | None = None) -> None:
        self.followed.append(client_ids)

    async def control_changed(self) -> None:
        self.controls += 1

    def ways(self) -> Sequence[Way]:
        return self.providers

    def status(self) -> DeliveryStatus:
        return self.now

    def forecast_rate(self) -> float:
        return self.rate

    def provider_calls(self) -> ProviderCalls:
        return self.calls

    def become(self, **changes: object) -> None:
        self.now = replace(self.now, **changes)  # type: ignore[arg-type]
