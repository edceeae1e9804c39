"""The mark "the provider may have been called", stored before the call, as a group commit.

Only for mailings with ``on_uncertain = not_sent``: see ``domain/message.py``.
"""

from __future__ import annotations

import asyncio

from engine.ports import Claim, Store


class MarkNotStored(Exception):
    """The store did not take the mark: nothing may be called."""


class Marker:
    """An actor with one inbox of claims, each with somebody waiting for its mark."""

    def __init__(self, store: Store, *, owner: int) -> None:
        self._store, self._owner = store, owner
        self._inbox: list[tuple[Claim, asyncio.Future[bool]]] = []
        self._filled = asyncio.Event()

    async def mark(self, claim: Claim) -> bool:
        """Wait until the mark is stored; False when the claim is not ours any more.

        Raises:
            MarkNotStored: the message has to go back.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inbox.append((claim, stored))
        self._filled.set()
        return await stored

    async def run(self) -> None:
        """Store marks for ever."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._inbox = self._inbox, []
            try:
                ours = await self._store.begin([claim for claim, _ in batch], owner=self._owner)
            except BaseException as error:
                for _, stored in batch:
                    if not stored.done():
                        stored.set_exception(MarkNotStored(repr(error)))
                raise
            for claim, stored in batch:
                if not stored.done():
                    stored.set_result(claim.message_id in ours)
