"""Providers by name. A message holds the number of its provider: a name in each row would cost a third of its size."""

from __future__ import annotations

from collections.abc import Collection

from engine.store.database import Lane, Tx
from engine.store.verbs import Verbs, transaction


class ProviderVerbs(Verbs):
    """What names of providers stand for."""

    @transaction(Lane.DELIVERY)
    async def provider_ids(self, tx: Tx, names: Collection[str]) -> dict[str, int]:
        """The ids of these names; one that is new gets an id for ever. Asked once, when an engine starts."""
        known = await _ids(tx, names)
        if new := sorted(set(names) - known.keys()):
            for name in new:
                await tx.run("INSERT INTO provider (name) VALUES (?) ON CONFLICT (name) DO NOTHING", name)
            known = await _ids(tx, names)
        return known


async def _ids(tx: Tx, names: Collection[str]) -> dict[str, int]:
    sql = f"SELECT name, id FROM provider WHERE name {tx.dialect.in_list('text')}"
    return {name: int(id) for name, id in await tx.rows(sql, tx.dialect.list_arg(names))}
