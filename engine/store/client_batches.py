"""The same change of many clients, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from engine.store.audience import follow_clients, remove_pending
from engine.store.audit import add_audit
from engine.store.counters import Tally
from engine.store.database import Row, Tx
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.rows import Actor, BatchResult
from engine.store.told import leave
from engine.store.verbs import Verbs, lock_clients

BATCH_MAX: Final = 1_000
"""Clients in a batch: some 50 ms on SQLite, in which nobody else writes."""


class ClientBatchVerbs(Verbs):
    """``client_ids``: ``BATCH_MAX`` at most, each once; ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def update_clients(
        self,
        client_ids: Sequence[int],
        *,
        tag: str | None = None,
        time_zone: str | None = None,
        by: Actor,
        now_us: int,
    ) -> BatchResult:
        """Give clients a tag, a time zone or both; ``None`` leaves one as it is. Messages follow, as for one client."""
        asked = {"tag": tag, "time_zone": time_zone}
        changes: dict[str, object] = {name: value for name, value in asked.items() if value is not None}

        async def work(tx: Tx) -> BatchResult:
            await lock_clients(tx, exclusive=False)
            found = await _locked(tx, client_ids)
            stored = {row[0]: {"tag": row[1], "time_zone": row[2]} for row in found}
            changed = [id for id, old in stored.items() if {**old, **changes} != old]
            if changed:
                sets = ", ".join(f"{name} = ?" for name in changes)
                await tx.run(
                    f"UPDATE client SET {sets}, update_us = ? WHERE id {tx.dialect.in_list()}",
                    *changes.values(),
                    now_us,
                    tx.dialect.list_arg(changed),
                )
                tally = Tally()
                await follow_clients(tx, now_us, tally, changed=changed)
                await _note(tx, by, "update", changed, changes, now_us)
                elsewhere = await claimed_elsewhere(self, tx, changed)
                await tally.write(tx)
                await tell_owners(self, tx, elsewhere)
            return _result(client_ids, stored, changed)

        return await self._db.transaction(work)

    async def delete_clients(self, client_ids: Sequence[int], *, by: Actor, now_us: int) -> BatchResult:
        """Remove clients; for their messages see ``delete_client``."""

        async def work(tx: Tx) -> BatchResult:
            await lock_clients(tx, exclusive=False)
            phones = {row[0]: row[3] for row in await _locked(tx, client_ids)}
            gone = list(phones)
            if gone:
                tally = Tally()
                await remove_pending(tx, await leave(tx, phones, now_us), tally, now_us)
                elsewhere = await claimed_elsewhere(self, tx, gone)
                await tx.run(f"DELETE FROM client WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(gone))
                await _note(tx, by, "delete", gone, {}, now_us)
                await tally.write(tx)
                await tell_owners(self, tx, elsewhere)
            return _result(client_ids, gone, gone)

        result = await self._db.transaction(work)
        self.on_number_gone()
        return result


async def _locked(tx: Tx, client_ids: Sequence[int]) -> Sequence[Row]:
    return await tx.rows(
        f"SELECT id, tag, time_zone, phone_number FROM client WHERE id {tx.dialect.in_list()}"
        f" ORDER BY id {tx.dialect.lock()}",
        tx.dialect.list_arg(client_ids),
    )


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
