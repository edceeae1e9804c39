"""Removing clients, one or many: what is common to it."""

from __future__ import annotations

from collections.abc import Collection

from engine.domain.message import Status
from engine.store.cancelled import settle
from engine.store.client_counts import note_clients
from engine.store.client_rows import ClientRow
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.followers import remove_pending
from engine.store.owners import claimed_elsewhere
from engine.store.rendered import forget_values
from engine.store.told import leave
from engine.store.verbs import Verbs


async def remove_clients(verbs: Verbs, tx: Tx, clients: Collection[ClientRow], tally: Tally, now_us: int) -> bool:
    """Remove these clients, which are locked, with their messages that are not final.

    Returns:
        Whether other engines have claims of them: ``tell_owners`` after ``tally`` is written.
    """
    phones = {client.id: client.phone_number for client in clients}
    left = await leave(tx, phones, now_us)
    settled = await settle(tx, [row[0] for row in left if row[3] == Status.PENDING], tally)
    await remove_pending(tx, [row for row in left if row[0] not in settled], tally, now_us)
    elsewhere = await claimed_elsewhere(verbs, tx, list(phones))
    await forget_values(tx, phones)
    listed, ids = tx.dialect.in_list(), tx.dialect.list_arg(phones)
    tally.touch(
        row[0] for row in await tx.rows(f"SELECT DISTINCT mailing_id FROM message WHERE client_id {listed}", ids)
    )
    # On PostgreSQL no foreign key does it: docs/decisions/references.md.
    await tx.run(f"UPDATE message SET client_id = NULL WHERE client_id {listed}", ids)
    await tx.run(f"DELETE FROM client WHERE id {listed}", ids)
    await note_clients(tx, gone=clients)
    return elsewhere
