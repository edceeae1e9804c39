"""Receipts of providers whose connection stays: from there into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.api.control import DeliveryControl
from engine.api.suppressions import follow
from engine.domain.receipt import Delivery, Receipt
from engine.ports import Clock, Provider
from engine.provider.receipts import ProviderReceipt, StandingProvider
from engine.store.store import Store


def open_standing(providers: Mapping[str, Provider], store: Store, clock: Clock, control: DeliveryControl) -> None:
    """Let those of these providers, by name, that have a connection of their own connect, and store what they say."""
    for name, provider in providers.items():
        if isinstance(provider, StandingProvider):
            provider.open(_Taker(name, store, clock, control).take)


class _Taker:
    """Of one provider."""

    def __init__(self, name: str, store: Store, clock: Clock, control: DeliveryControl) -> None:
        self._name, self._store, self._clock, self._control = name, store, clock, control

    async def take(self, receipts: Sequence[ProviderReceipt]) -> None:
        """Store receipts; raises StoreUnavailable."""
        now_us = self._clock.now_us()
        done = await self._store.record_receipts([self._receipt(each, now_us) for each in receipts], now_us=now_us)
        await follow(self._control, done.client_ids)

    def _receipt(self, said: ProviderReceipt, now_us: int) -> Receipt:
        return Receipt(
            Delivery.DELIVERED if said.delivered else Delivery.UNDELIVERED,
            now_us if said.time_us is None else said.time_us,
            said.message_id,
            said.provider_message_id,
            self._name,
            said.code or None,
            said.detail or None,
        )
