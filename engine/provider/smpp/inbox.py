"""Receipts on their way from the centre into the store."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from common.logs import get_logger
from engine.ports import StoreUnavailable
from engine.provider.receipts import ProviderReceipt, TakeReceipts

log = get_logger(__name__)

_RECEIPTS_AT_ONCE: Final = 1000
STORE_PAUSE_SECONDS: Final = 1.0
HOLD_SECONDS: Final = 2.0
"""Outcomes are stored within parts of a second."""
_EXPECTED_MAX: Final = 20_000


class Inbox:
    """Receipts that the centre was told have arrived, and that are not stored yet."""

    def __init__(self, take: TakeReceipts, pause_seconds: float, hold_seconds: float) -> None:
        self._take, self._pause_seconds, self._hold_seconds = take, pause_seconds, hold_seconds
        self._held: deque[ProviderReceipt] = deque()
        self._waiting: list[ProviderReceipt] = []
        self._expected: dict[str, int] = {}
        """Our ids by the centre's: a receipt may be quicker than the outcome is stored."""
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False

    def expect(self, provider_message_id: str, message_id: int) -> None:
        """A receipt may come for this message."""
        self._expected[provider_message_id] = message_id
        if len(self._expected) > _EXPECTED_MAX:
            del self._expected[next(iter(self._expected))]

    def put(self, receipt: ProviderReceipt) -> None:
        """Add one. It is held back a little if it names an id that nobody waits for: the response that tells it may be
        in another task's hands, or the outcome in another engine's, and the store does not know it yet."""
        if receipt.provider_message_id in self._expected:
            self._add(receipt)
        else:
            self._held.append(receipt)
            asyncio.get_running_loop().call_later(self._hold_seconds, self._let_go)

    def _let_go(self) -> None:
        if self._held:
            self._add(self._held.popleft())

    def _add(self, receipt: ProviderReceipt) -> None:
        message_id = self._expected.get(receipt.provider_message_id or "")
        self._waiting.append(receipt._replace(message_id=message_id))
        self._more.set()
        if self._task is None:
            self._task = asyncio.create_task(self._store())

    async def close(self) -> None:
        """Store what is there; what the store does not take now is lost."""
        while self._held:
            self._let_go()
        self._is_closing = True
        self._more.set()
        if self._task is not None:
            await self._task

    async def _store(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while batch := self._waiting[:_RECEIPTS_AT_ONCE]:
                try:
                    await self._take(batch)
                except StoreUnavailable:
                    if self._is_closing:
                        log.error("provider.smpp.receipts_lost", number=len(self._waiting))
                        return
                    await asyncio.sleep(self._pause_seconds)
                    continue
                del self._waiting[: len(batch)]
            if self._is_closing:
                return
