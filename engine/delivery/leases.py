"""The leases of what this engine has in hand: renewed long before they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from common.logs import get_logger
from engine.delivery.state import State
from engine.domain.units import in_us
from engine.ports import Claim, Store

_STEP_SECONDS: Final = 1.0

log = get_logger(__name__)


class LeaseKeeper:
    """An actor of its own: whatever else waits for the database, renewals don't wait behind it."""

    def __init__(self, store: Store, state: State, *, on_lost: Callable[[list[Claim]], None]) -> None:
        """``on_lost`` hears of claims that are not ours any more."""
        self._store, self._owner, self._hand, self._clock = store, state.engine_id, state.hand, state.shared_clock
        self._lease_us = in_us(state.settings.lease_seconds)
        self._step_seconds = min(_STEP_SECONDS, state.settings.lease_seconds / 8)
        self._on_lost = on_lost

    async def run(self) -> None:
        """Keep for ever."""
        while True:
            await self.renew()
            await self._clock.own.sleep(self._step_seconds)

    async def renew(self) -> None:
        """Extend the leases that have passed their half."""
        now_us = self._clock.now_us()
        claims = self._hand.expiring(now_us + self._lease_us // 2)
        if not claims:
            return
        lease_until_us = now_us + self._lease_us
        renewal = await self._store.renew(claims, owner=self._owner, lease_until_us=lease_until_us)
        self._hand.renewed((claim for claim in claims if claim.message_id in renewal.extended), lease_until_us)
        ours = renewal.extended | renewal.busy
        # Recorded or given back while we asked: not lost, just done.
        lost = [claim for claim in claims if claim.message_id not in ours and self._hand.has(claim)]
        if lost:
            log.warning("leases.lost", claims=len(lost))
            self._on_lost(lost)
