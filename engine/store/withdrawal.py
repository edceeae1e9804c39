"""Messages that are for nobody any more: their client matches no longer, is gone, or has a number on the stop list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from engine.domain.message import UNCERTAIN, Step, withdraw
from engine.store.confirming import DROPPED, UNUSED
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.lifecycle import set_to
from engine.store.outbox import tell_messages

ENDS_UNCERTAIN: Final = f"{set_to(UNCERTAIN)}, due_us = 0"
"""What an UPDATE sets when messages end that may have reached the provider."""
_LISTED: Final = (
    "EXISTS (SELECT 1 FROM client AS c JOIN suppression AS s ON s.phone_number = c.phone_number"
    " WHERE c.id = message.client_id)"
)
"""The number of a message's client is on the stop list."""
_ENDINGS: Final = tuple(
    (step, condition)
    for step, condition in (
        (withdraw(unsure=True), "unsure"),
        (withdraw(unsure=False, listed=True), _LISTED),
    )
    if step is not None
)
"""Which messages stay, and how they end; the first condition that holds counts. The others are removed."""


async def withdraw_messages(
    tx: Tx, mailing_of: Mapping[int, int], now_us: int, tally: Tally, *, uncalled: bool = False
) -> None:
    """Remove messages, but for those that may have reached the provider, and those whose number is on the stop list:
    they end, and their reason says so.

    Args:
        tx: the transaction, which holds these rows.
        mailing_of: the mailing of each message, by message id.
        now_us: the time.
        tally: gets what changes in the counters.
        uncalled: they were claimed, and go back without a call: the attempt is not used up.
    """
    left = dict(mailing_of)
    for step, condition in _ENDINGS:
        ended = await _end(tx, left, step, condition, now_us, uncalled=uncalled)
        await tell_messages(tx, ended)
        for message_id in ended:
            tally.move(left.pop(message_id), step, now_us)
    if left:
        await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(left))
    for mailing_id in left.values():
        tally.add(mailing_id, "pending", -1)


async def _end(
    tx: Tx, message_ids: Collection[int], step: Step, condition: str, now_us: int, *, uncalled: bool
) -> list[int]:
    if not message_ids:
        return []
    ended = await tx.rows(
        f"UPDATE message SET {set_to(step)}, due_us = 0, owner = NULL, stale = FALSE,"
        f" finished_us = ?{f'{UNUSED}, {DROPPED}' if uncalled else ''},"
        # What may have reached its provider keeps what is reserved for it.
        " cost = CASE WHEN unsure THEN cost ELSE 0 END"
        f" WHERE id {tx.dialect.in_list()} AND {condition} RETURNING id",
        now_us,
        tx.dialect.list_arg(message_ids),
    )
    return [row[0] for row in ended]


async def listed_among(tx: Tx, message_ids: Collection[int]) -> set[int]:
    """Those of these messages whose client's number is on the stop list.

    The transaction has locked the messages by an earlier statement: one that waits for a row sees other tables as they
    were before the wait."""
    if not message_ids:
        return set()
    sql = f"SELECT id FROM message WHERE id {tx.dialect.in_list()} AND {_LISTED}"
    return {row[0] for row in await tx.rows(sql, tx.dialect.list_arg(message_ids))}
