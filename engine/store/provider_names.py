"""Providers by name. A message holds the number of its provider: a name in each row would cost a third of its size."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from engine.domain.routing import FBRQ_ID
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_waiting
from engine.store.verbs import Verbs, read, transaction

CALLED: Final = (
    "coalesce(m.provider_id, CASE WHEN m.attempt > 0 THEN coalesce((SELECT a.provider_id FROM attempt AS a"
    f" WHERE a.message_id = m.id ORDER BY a.number DESC LIMIT 1), {FBRQ_ID}) END)"
)
"""Who was called last for the message ``m``, or whose turn it is; NULL: nobody. After a known failure of the last
provider the row names nobody, and rows from before there were several name none."""


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

    @read(Lane.LONG)
    async def waiting_for_others(self, tx: Tx, names: Collection[str]) -> dict[str, int]:
        """How many messages wait for providers that are none of these, by name: those that may have reached them, and
        that nobody else may have. Reads what waits for such a provider, or had its turn there, and no more."""
        own = f"p.name {tx.dialect.in_list('text')}"
        rows = await tx.rows(
            "SELECT p.name, count(*) FROM provider AS p CROSS JOIN mailing_counters AS k"
            f" JOIN message AS m {tx.dialect.indexed_by('message_turn')}"
            " ON m.mailing_id = k.mailing_id AND m.provider_id = p.id"
            f" WHERE NOT ({own}) AND k.pending > 0 AND {is_waiting('m')} AND m.unsure GROUP BY p.name",
            tx.dialect.list_arg(names),
        )
        return {name: int(number) for name, number in rows}


async def names_of_all(tx: Tx) -> dict[int, str]:
    """The name of each provider that there ever was, by its id."""
    return {int(id): name for id, name in await tx.rows("SELECT id, name FROM provider")}


async def _ids(tx: Tx, names: Collection[str]) -> dict[str, int]:
    sql = f"SELECT name, id FROM provider WHERE name {tx.dialect.in_list('text')}"
    return {name: int(id) for name, id in await tx.rows(sql, tx.dialect.list_arg(names))}
