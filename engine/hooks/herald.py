"""Sees what there is to tell, gives it a place among the events, and wakes the couriers.

Every engine has one. What one has told the others find told: each step asks once more in its transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from engine.delivery.supervisor import Supervisor
from engine.domain.events import OF_MESSAGES
from engine.domain.forecast import Forecast
from engine.domain.units import in_us
from engine.hooks.caller import Caller
from engine.hooks.courier import Counted, Courier
from engine.ports import Clock
from engine.store.event_rows import EventView
from engine.store.rows import MailingRow
from engine.store.store import Store

PERIOD_SECONDS: Final = 0.5
"""So much later, at most, an event is told; and so long a new webhook may miss messages' events of other engines."""
RISK_SECONDS: Final = 30.0
"""A mailing is at risk when two looks at it, so far apart, find that it will miss its end."""
_RISKY_MAX: Final = 50
"""Mailings at which a look is taken, those that end first."""


class ProviderStanding(NamedTuple):
    """How this engine does with a provider."""

    name: str
    is_down: bool
    """Its breaker is not closed: no calls but probes."""
    has_answered: bool
    """It has taken a call lately."""
    detail: str
    """Its last failure in words."""


Foretell = Callable[[MailingRow], Awaitable[Forecast | None]]
Providers = Callable[[], Sequence[ProviderStanding]]


class Herald:
    """An actor that only follows the clock."""

    def __init__(self, store: Store, clock: Clock, *, providers: Providers, foretell: Foretell) -> None:
        self._store, self._clock, self._providers, self._foretell = store, clock, providers, foretell
        self._suspects: Collection[int] = ()
        self._looked_us: int | None = None

    async def look(self) -> Mapping[int, int]:
        """Tell what there is to tell. Returns when the first delivery of each webhook is due."""
        now_us = self._clock.now_us()
        view = await self._store.event_view(now_us)
        self._store.wanted = view.wanted & OF_MESSAGES
        has_told = await self._tell(view, now_us)
        if not has_told and not view.has_outbox:
            return view.due
        while await self._store.publish(now_us):
            pass
        return (await self._store.event_view(now_us)).due

    async def _tell(self, view: EventView, now_us: int) -> bool:
        """Write events of mailings and providers; whether there may be one."""
        changed = [each for each in self._providers() if _is_news(each, view)]
        for each in changed:
            await self._store.note_provider(
                each.name, is_down=each.is_down, has_answered=each.has_answered, detail=each.detail, now_us=now_us
            )
        if view.mailing_ids:
            await self._store.announce(view.mailing_ids, now_us)
        monotonic_us = self._clock.monotonic_us()
        if self._looked_us is not None and monotonic_us - self._looked_us < in_us(RISK_SECONDS):
            return bool(changed or view.mailing_ids)
        self._looked_us = monotonic_us
        await self._look_for_risk(now_us)
        return True

    async def _look_for_risk(self, now_us: int) -> None:
        suspects = set()
        for mailing, is_told in await self._store.risky_mailings(now_us, _RISKY_MAX):
            forecast = await self._foretell(mailing) if mailing.counts.pending else None
            is_risky = forecast is not None and forecast.missed > 0
            if is_risky:
                suspects.add(mailing.id)
            if is_told and not is_risky:
                await self._store.announce_risk(mailing.id, None, now_us)
            elif is_risky and not is_told and mailing.id in self._suspects:
                await self._store.announce_risk(mailing.id, forecast, now_us)
        self._suspects = suspects


def _is_news(standing: ProviderStanding, view: EventView) -> bool:
    """Whether what this engine sees of a provider is not what is stored."""
    is_said, is_down_elsewhere = view.down.get(standing.name, (False, True))
    if standing.is_down:
        return not is_said
    return is_said or (standing.has_answered and not is_down_elsewhere)


class Hooks:
    """The herald and its couriers: ``start`` once, ``stop`` once."""

    def __init__(
        self, store: Store, clock: Clock, random: Random, caller: Caller, herald: Herald, counted: Counted
    ) -> None:
        self._store, self._clock, self._random, self._caller, self._herald = store, clock, random, caller, herald
        self._counted = counted
        self._supervisor = Supervisor(clock, random)
        self._couriers: dict[int, Courier] = {}

    def start(self) -> None:
        """Tell in the background."""
        self._supervisor.start("herald", self._run)

    async def stop(self) -> None:
        """Stop. Calls under way are cut off: they are due again when their lease is over."""
        await self._supervisor.stop(*self._supervisor.names(), seconds=1.0)
        await self._caller.close()

    async def _run(self) -> None:
        while True:
            due = await self._herald.look()
            for webhook_id, due_us in due.items():
                if due_us <= self._clock.now_us():
                    self._courier(webhook_id).wake()
            for webhook_id in [id for id, courier in self._couriers.items() if id not in due and courier.is_idle]:
                del self._couriers[webhook_id]
                await self._supervisor.stop(f"webhook-{webhook_id}")
            await self._clock.sleep(PERIOD_SECONDS)

    def _courier(self, webhook_id: int) -> Courier:
        if webhook_id not in self._couriers:
            courier = Courier(webhook_id, self._store, self._caller.post, self._clock, self._random, self._counted)
            self._couriers[webhook_id] = courier
            self._supervisor.start(f"webhook-{webhook_id}", courier.run)
        return self._couriers[webhook_id]
