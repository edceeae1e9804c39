"""Engines whose claims rest on clients that change: docs/decisions/changed-clients.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.ports import Claim
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_taken
from engine.store.verbs import Verbs, bump_revision, read

_CLAIM: Final = {
    "id": "int",
    "attempt": "int",
    "phone_number": "int",
    "time_zone": "text",
    "attributes": "text",
    "tag": "text",
}


async def claimed_elsewhere(verbs: Verbs, tx: Tx, client_ids: Sequence[int]) -> bool:
    """Whether another engine has claims of these clients, which are being changed or deleted: ``tell_owners`` then.

    The caller has locked the messages of these clients, pending ones too, and has not deleted the clients yet. So no
    engine can claim one of the messages, and read its client as it was, without being seen here.
    """
    if tx.dialect.is_sqlite:
        return False  # there is no other engine
    taken = await tx.row(
        f"SELECT 1 FROM message WHERE client_id {tx.dialect.in_list()} AND {is_taken()} AND owner <> ? LIMIT 1",
        tx.dialect.list_arg(client_ids),
        verbs.engine_id,
    )
    return taken is not None


async def tell_owners(verbs: Verbs, tx: Tx, elsewhere: bool) -> None:
    """Tell the other engines, if they have claims. The last thing in a transaction (docs/decisions/lock-order.md)."""
    if elsewhere:
        verbs.on_owners_told(await bump_revision(tx))


class OwnerVerbs(Verbs):
    """A verb of ``ports.Store``."""

    @read(Lane.DELIVERY)
    async def outdated(self, tx: Tx, claims: Sequence[Claim], *, owner: int) -> set[int]:
        """See ``ports.Store``."""
        rows = await tx.table(
            "id",
            f"SELECT m.id AS id FROM {tx.dialect.rows_table(**_CLAIM)}"
            " JOIN message AS m ON m.id = r.id AND m.attempt = r.attempt"
            " LEFT JOIN client AS c ON c.id = m.client_id"
            # A receipt says that the provider took it at an earlier call.
            " WHERE m.owner = ? AND ((m.delivery IS NOT NULL AND m.attempt > 1)"
            " OR m.stale OR c.id IS NULL OR c.phone_number <> r.phone_number"
            " OR c.time_zone <> r.time_zone OR c.attributes <> r.attributes OR c.tag <> r.tag)"
            f" LIMIT {len(claims)}",
            *tx.dialect.rows_args([_row(claim) for claim in claims], len(_CLAIM)),
            owner,
        )
        return {row[0] for row in rows}


def _row(claim: Claim) -> tuple[int | str | None, ...]:
    """What the claim has read of its client. Where nothing of it goes into the text it may have any attributes."""
    person = claim.person
    said = (None, None) if person is None else (person.attributes, person.tag)
    return (claim.message_id, claim.attempt, claim.phone_number, claim.time_zone, *said)
