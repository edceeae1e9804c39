"""The leases of what this engine has in hand: renewed long before they end."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from engine.delivery.hand import Hand
from engine.delivery.shared_clock import SharedClock
from engine.ports import Store

_US_PER_SECOND = 1_000_000
_LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """An actor of its own: whatever else waits for the database, renewals don't wait behind it."""

    def __init__(
        self,
        store: Store,
        *,
        owner: int,
        hand: Hand,
        clock: SharedClock,
        lease_seconds: float,
        on_lost: Callable[[set[int]], None],
    ) -> None:
        """``on_lost`` hears of messages that are not ours any more."""
        self._store, self._owner, self._hand = store, owner, hand
        self._clock = clock
        self._lease_us = int(lease_seconds * _US_PER_SECOND)
        self._step_seconds = min(_LOOK_SECONDS, lease_seconds / 8)
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
        lost = {claim.message_id for claim in claims if claim.message_id not in ours and self._hand.has(claim)}
        if lost:
            log.warning("leases.lost", claims=len(lost))
            self._on_lost(lost)
