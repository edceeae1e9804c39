"""Clients that were changed or deleted: no call begins with what a claim had read of them before.

The engine that was asked revokes its own claims of these clients. Claims of other engines it finds in the transaction
that changes the clients, which then bumps the revision; on a new revision each engine asks the store which of its
claims are out of date, revokes them, and only then acknowledges: docs/decisions/changed-clients.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.delivery.ticker import Ticker
from engine.delivery.waiting import SETTLE_SECONDS, wait_until
from engine.domain.units import in_us
from engine.ports import Store


class ChangedClients:
    """What the API tells of clients, and what other engines have changed."""

    def __init__(
        self,
        store: Store,
        state: State,
        *,
        ticker: Ticker,
        recorder: Recorder,
        agreed: Callable[[], Awaitable[int]],
    ) -> None:
        """``agreed`` waits for the other engines and tells the revision by which all of them act."""
        self._store, self._owner, self._hand, self._book = store, state.engine_id, state.hand, state.book
        self._bell, self._clock = state.bell, state.clock
        self._ticker, self._recorder, self._agreed = ticker, recorder, agreed
        self._told_revision = self._agreed_revision = 0

    def changed(self, client_ids: Collection[int]) -> None:
        """These were created, changed or deleted through this engine: their messages in its queue are read anew."""
        ids = frozenset(client_ids)
        self._ticker.clients_changed(ids)
        self._hand.revoke_clients(ids)
        self._withdraw()
        for entry in self._book:
            entry.expects(0)
        self._bell.ring_for_work()

    def owners_told(self, revision: int) -> None:
        """Other engines have claims of clients that are being changed through this one; the revision tells them."""
        self._told_revision = max(self._told_revision, revision)

    async def followed(self, client_ids: Collection[int] | None = None) -> None:
        """Wait until no call can begin, on any engine, with what these clients (``None``: all) were before the changes
        made so far."""
        await self._settled(self._hand.revoked_of(client_ids))
        if self._told_revision > self._agreed_revision:
            self._agreed_revision = max(self._agreed_revision, await self._agreed())

    async def check(self) -> None:
        """There is a new revision: revoke our claims of clients that another engine has changed."""
        if not self._store.shared:
            return
        # Together, with nothing awaited between: a claim under way is in hand before it is checked, or is checked then.
        self._ticker.check_arrivals()
        claims = self._hand.claims()
        if not claims or not (outdated := await self._store.outdated(claims, owner=self._owner)):
            return
        self._hand.revoke(outdated)
        self._withdraw()
        self._bell.ring_for_work()
        await self._settled(outdated)

    async def _settled(self, message_ids: set[int]) -> None:
        """Wait a little for calls that have begun, as a pause does."""
        if message_ids:
            until_us = self._clock.monotonic_us() + in_us(SETTLE_SECONDS)
            await wait_until(lambda: message_ids.isdisjoint(self._hand.revoked), self._clock, until_us)

    def _withdraw(self) -> None:
        revoked = self._hand.revoked
        if revoked:
            self._recorder.withdraw(lambda claim: claim.message_id in revoked)
