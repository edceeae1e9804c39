"""Erasing a client on demand: like deleting it, with an account of what was removed and what stays."""

from __future__ import annotations

from typing import Final

from engine.domain.suppression import SuppressionInput, SuppressionReason
from engine.store.audit import add_audit
from engine.store.client_list import stored_client
from engine.store.client_removal import remove_clients
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_final
from engine.store.owners import tell_owners
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import Actor, RequestKey
from engine.store.suppression_rows import Erased
from engine.store.suppressions import insert_suppressions, listed_numbers
from engine.store.verbs import Verbs, lock_clients, transaction

ERASED: Final = "erase"
"""The source of entries of the stop list that are made here."""


class ErasingVerbs(Verbs):
    """What the API asks. ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def erase_client(
        self, client_id: int, *, suppress: bool, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Erased:
        """Remove a client, and put its number on the stop list if asked. For its messages see ``delete_client``.

        Raises:
            NotFound: there is no such client.
            Conflict: the request id was used for another request.
        """
        erased = await self._erase_client(client_id, suppress, by, now_us, request)
        self.on_number_gone()
        return erased

    @transaction(Lane.API)
    async def _erase_client(
        self, tx: Tx, client_id: int, suppress: bool, by: Actor, now_us: int, request: RequestKey | None
    ) -> Erased:
        await lock_clients(tx, exclusive=suppress)
        if (answer := await first_answer(tx, request)) is not None:
            return Erased(**answer)
        client = await stored_client(tx, client_id, lock=True)
        phone = client.phone_number
        is_listed, tally = bool(await listed_numbers(tx, [phone])), Tally()
        ids = [row[0] for row in await tx.rows("SELECT id FROM message WHERE client_id = ?", client_id)]
        elsewhere = await remove_clients(self, tx, [client], tally, now_us)
        if suppress and not is_listed:  # after that: what waited is removed with its client, and not kept as suppressed
            entry = SuppressionInput(phone, SuppressionReason.OPT_OUT, source=ERASED)
            await insert_suppressions(tx, [entry], now_us)
        sql = f"SELECT {is_final()} FROM message WHERE id {tx.dialect.in_list()}"
        left = [bool(row[0]) for row in await tx.rows(sql, tx.dialect.list_arg(ids))]
        await add_audit(tx, by, "client.erase", "client", client_id, {"suppress": suppress}, now_us)
        kept = left.count(True)
        erased = Erased(len(ids) - len(left), kept, len(left) - kept, is_suppressed=suppress or is_listed)
        await keep_answer(tx, request, erased, now_us)
        await tally.write(tx)
        await tell_owners(self, tx, elsewhere)
        return erased
