"""The same change of many clients, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from engine.store.audit import add_audit
from engine.store.client_counts import note_clients
from engine.store.client_list import CLIENT
from engine.store.client_removal import remove_clients
from engine.store.client_rows import BatchResult, ClientChange, ClientRow
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.followers import follow_clients
from engine.store.groups import counts_elsewhere, keep_groups
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.row_of import sets_of
from engine.store.rows import Actor
from engine.store.verbs import Verbs, lock_clients, transaction

BATCH_MAX: Final = 1_000
"""Clients in a batch: some 50 ms on SQLite, in which other writers wait."""


class ClientBatchVerbs(Verbs):
    """``client_ids``: ``BATCH_MAX`` at most, each once; ``now_us``: the time; ``by``: who asks, for the audit list."""

    @transaction(Lane.API)
    async def update_clients(
        self, tx: Tx, client_ids: Sequence[int], change: ClientChange, *, by: Actor, now_us: int
    ) -> BatchResult:
        """Make the same change of each client. Messages follow, as for one client."""
        changes: dict[str, Any] = {name: value for name, value in asdict(change).items() if value is not None}
        await lock_clients(tx, exclusive=False)
        stored = {client.id: client for client in await _locked(tx, client_ids)}
        become = {client.id: replace(client, **changes) for client in stored.values()}
        changed = [client_id for client_id, client in become.items() if client != stored[client_id]]
        if changed:
            values = {**changes, "update_us": now_us}
            await tx.run(
                f"UPDATE client SET {sets_of(values)} WHERE id {tx.dialect.in_list()}",
                *values.values(),
                tx.dialect.list_arg(changed),
            )
            await note_clients(tx, came=[become[each] for each in changed], gone=[stored[each] for each in changed])
            moved = [each for each in changed if counts_elsewhere(stored[each], become[each])]
            tally = Tally()
            await keep_groups(tx, {each: stored[each] for each in moved}, changed, tally)
            await follow_clients(tx, now_us, tally, changed=changed)
            await _note(tx, by, "update", changed, changes, now_us)
            elsewhere = await claimed_elsewhere(self, tx, changed)
            await tally.write(tx)
            await tell_owners(self, tx, elsewhere)
        return _result(client_ids, stored, changed)

    async def delete_clients(self, client_ids: Sequence[int], *, by: Actor, now_us: int) -> BatchResult:
        """Remove clients; for their messages see ``delete_client``."""
        result = await self._delete_clients(client_ids, by, now_us)
        self.on_number_gone()
        return result

    @transaction(Lane.API)
    async def _delete_clients(self, tx: Tx, client_ids: Sequence[int], by: Actor, now_us: int) -> BatchResult:
        await lock_clients(tx, exclusive=False)
        clients = await _locked(tx, client_ids)
        gone = [client.id for client in clients]
        if gone:
            tally = Tally()
            elsewhere = await remove_clients(self, tx, clients, tally, now_us)
            await _note(tx, by, "delete", gone, {}, now_us)
            await tally.write(tx)
            await tell_owners(self, tx, elsewhere)
        return _result(client_ids, gone, gone)


async def _locked(tx: Tx, client_ids: Sequence[int]) -> list[ClientRow]:
    rows = await tx.rows(
        f"SELECT {CLIENT.sql} FROM client WHERE id {tx.dialect.in_list()} ORDER BY id {tx.dialect.lock()}",
        tx.dialect.list_arg(client_ids),
    )
    return [CLIENT.read(row) for row in rows]


def _result(client_ids: Sequence[int], stored: Collection[int], changed: Sequence[int]) -> BatchResult:
    known = frozenset(stored)
    missing = tuple(client_id for client_id in client_ids if client_id not in known)
    return BatchResult(tuple(changed), len(stored) - len(changed), missing)


async def _note(
    tx: Tx, by: Actor, action: str, client_ids: Sequence[int], changes: Mapping[str, object], now_us: int
) -> None:
    """One event for the whole batch: how many, and between which ids they are."""
    detail = {**changes, "clients": len(client_ids), "first_id": min(client_ids), "last_id": max(client_ids)}
    await add_audit(tx, by, f"client.batch_{action}", "client", None, detail, now_us)
