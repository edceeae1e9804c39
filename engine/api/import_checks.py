"""What an import would do, added up over its parts: a row that comes later is laid over an earlier one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from engine.domain.validate import ClientInput, ClientPatch
from engine.store.client_checks import WouldImport
from engine.store.store import Store

KEPT_MAX: Final = 100_000
"""Clients whose row is remembered, 30 MB of them; of two rows with one number that stand further apart both count."""


class ImportCheck:
    """Give it the parts of an import in their order; nothing is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after: dict[int, ClientInput] = {}
        self._mailings: dict[int, frozenset[int]] = {}
        self.reach: Counter[int] = Counter()
        """How many clients each open mailing would take, by its id."""

    async def look_at(self, rows: Sequence[ClientInput | ClientPatch], now_us: int) -> WouldImport:
        """What the rows of a part would do."""
        found = await self._store.would_import_clients(rows, self._after, now_us=now_us)
        for phone, mailings in found.mailings.items():
            self.reach.subtract(self._mailings.pop(phone, frozenset()))
            self.reach.update(mailings)
        self._after.update(found.after)
        self._mailings.update(found.mailings)
        for phone in [*islice(self._after, max(0, len(self._after) - KEPT_MAX))]:
            del self._after[phone], self._mailings[phone]
        return found
