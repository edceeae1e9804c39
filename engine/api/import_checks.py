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


COUNTED_MAX: Final = 300_000
"""Clients that are told apart, 25 MB of numbers; where there are more, nobody counts them."""


class ImportCheck:
    """Give it the parts of an import in their order; nothing is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after: dict[int, ClientInput] = {}
        self._mailings: dict[int, frozenset[int]] = {}
        self.reach: Counter[int] = Counter()
        """How many clients each open mailing would take, by its id."""
        self._seen: set[int] | None = set()

    @property
    def client_count(self) -> int:
        """Of how many clients the rows are that would be stored; 0: they are too many."""
        return 0 if self._seen is None else len(self._seen)

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
        if self._seen is not None:
            self._seen.update(row.phone_number for place, row in enumerate(rows) if place not in found.refused)
            self._seen = None if len(self._seen) > COUNTED_MAX else self._seen
        return found
