"""Messages whose client matches no longer, or is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.domain.message import UNCERTAIN
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.lifecycle import set_to

ENDS_UNCERTAIN: Final = f"{set_to(UNCERTAIN)}, due_us = 0"
"""What an UPDATE sets when messages end that may have reached the provider."""


async def withdraw_messages(
    tx: Tx, mailing_of: Mapping[int, int], now_us: int, tally: Tally, *, uncalled: bool = False
) -> int:
    """Remove messages, but for those that may have reached the provider: they end, and their reason says so.

    Args:
        tx: the transaction, which holds these rows.
        mailing_of: the mailing of each message, by message id.
        now_us: the time.
        tally: gets what changes in the counters.
        uncalled: they were claimed, and go back without a call: the attempt is not used up.

    Returns:
        How many have ended.
    """
    if not mailing_of:
        return 0
    ids = tx.dialect.list_arg(mailing_of)
    attempt = "attempt - 1" if uncalled else "attempt"
    ended = await tx.rows(
        f"UPDATE message SET {ENDS_UNCERTAIN}, owner = NULL, stale = FALSE, attempt = {attempt},"
        f" finished_us = {int(now_us)}"
        f" WHERE id {tx.dialect.in_list()} AND unsure RETURNING id",
        ids,
    )
    kept = {row[0] for row in ended}
    for id, mailing_id in mailing_of.items():
        if id in kept:
            tally.move(mailing_id, UNCERTAIN, now_us)
        else:
            tally.add(mailing_id, "pending", -1)
    if len(kept) < len(mailing_of):
        gone = tx.dialect.list_arg(id for id in mailing_of if id not in kept)
        await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", gone)
    return len(kept)
