"""All of delivery: what the composition root starts and stops, and what the API tells of changes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Self, cast

from common.logs import get_logger
from engine.delivery.actors import Actors
from engine.delivery.control_keeper import join
from engine.delivery.ending import Ending
from engine.delivery.line import Supplier
from engine.delivery.liveness import HeardStore, Liveness
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.state import State
from engine.domain.breaker import Breaker
from engine.ports import Clock, Meter, Provider, Store, StoreUnavailable

__all__ = ["Delivery", "DeliverySettings", "Supplier"]

_RECOVER_ROWS: Final = 1_000

log = get_logger(__name__)


class Delivery:
    """One engine's: ``join``, then ``start`` once, then ``stop`` once, also when ``start`` has failed."""

    def __init__(self, store: Store, state: State, meter: Meter, random: Random) -> None:
        """Of an engine that is known to the others already: see ``join``."""
        heard = HeardStore(store, state.hear_store, state.clock.monotonic_us)
        self._store = cast("Store", heard)
        self.state = state
        self.actors = Actors(self._store, state, meter, random)
        self.liveness = Liveness(heard, state, recorder=self.actors.recorder, control=self.actors.control)

    @classmethod
    async def join(
        cls,
        store: Store,
        providers: Provider | Sequence[Supplier],
        *,
        clock: Clock,
        random: Random,
        settings: DeliverySettings,
        name: str,
        meter: Meter,
        breaker: Breaker | None = None,
    ) -> Self:
        """Add an engine to those on the database, and build all that it needs to deliver.

        Args:
            providers: the only one, as the settings have it; or several, in the order in which they are asked.
            name: for people, ``host:pid``.
            breaker: that of the only provider.

        Raises:
            StoreUnavailable: the store is away.
        """
        shared_clock = SharedClock(clock)
        suppliers = providers if isinstance(providers, Sequence) else [Supplier.alone(providers, settings, breaker)]
        ids = await store.provider_ids([supplier.spec.name for supplier in suppliers])
        engine_id = await join(store, name, sum(supplier.spec.workers for supplier in suppliers), shared_clock)
        known = {ids[supplier.spec.name]: supplier for supplier in suppliers}
        state = State(engine_id, shared_clock, settings, known, random)
        return cls(store, state, meter, random)

    async def start(self) -> None:
        """Take back what a dead engine has left, and start the actors.

        Raises:
            StoreUnavailable: the store is away.
        """
        if not self._store.shared:
            # Alone on this file: whatever is claimed belonged to an engine that is no more.
            while await self._store.recover(self.state.clock.now_us(), _RECOVER_ROWS, expired_only=False):
                pass
        await self.actors.control.acknowledge()
        # Before we send, the others must have seen us, and must have reduced their parts of the rates.
        await self.actors.control.agreed()
        self.actors.start()

    def hold(self) -> None:
        """Begin no call from now on: the engine is stopping."""
        self.state.stop()

    async def stop(self, call_seconds: float, outcome_seconds: float = 2.0) -> None:
        """Claim no more, give back what was not called, let calls in flight end within ``call_seconds``, store every
        outcome within ``outcome_seconds`` more, leave."""
        self.hold()
        await Ending(self.state, self.actors.recorder, self.actors.supervisor).run(call_seconds, outcome_seconds)
        if len(self.state.hand):
            log.warning("delivery.claims_left", messages=len(self.state.hand))
        try:
            await self._store.retire_engine(self.state.engine_id)
        except StoreUnavailable:
            log.warning("delivery.not_retired")

    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        """A mailing was changed (``is_new``: made), and the change is committed: see ``Reactions.mailing_changed``."""
        await self.actors.reactions.mailing_changed(mailing_id, is_new=is_new)

    async def control_changed(self) -> None:
        """The control record was changed, and the change is committed: see ``Reactions.control_changed``."""
        await self.actors.reactions.control_changed()
