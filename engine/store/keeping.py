"""Removing what mailings that ended long ago have left: messages, attempts and the details of statistics.

The mailing stays with its text, its filter and its counters. From the first chunk on it says since when its messages
are being removed, and nobody sees those that are left: a list of a part of them would be a wrong answer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.store.counters import TEXT_VERSION
from engine.store.database import Lane, Tx
from engine.store.snapshots import is_asked
from engine.store.verbs import Verbs, transaction

_LOOKED_AT: Final = 10
"""Mailings that are looked at for one whose messages nobody needs still."""


class Removed(NamedTuple):
    """What a chunk has removed."""

    mailing_id: int
    messages: int
    is_last: bool


class KeepingVerbs(Verbs):
    """For housekeeping. Several engines may do it at the same time: each takes another mailing."""

    @transaction(Lane.API)
    async def remove_details(self, tx: Tx, before_us: int, limit: int, now_us: int) -> Removed | None:
        """Remove up to ``limit`` messages of a mailing that ended, or was cancelled, at that time or before, and has
        nothing pending; with the last of them the details of its statistics. ``None``: there is none to remove, or
        other engines are at work on all of them.

        Nothing here waits for a lock: whoever sends comes first.
        """
        mailing_id = await _next(tx, before_us)
        if mailing_id is None:
            return None
        skip = tx.dialect.lock(skip=True)
        sql = f"SELECT id FROM message WHERE mailing_id = ? ORDER BY id LIMIT ? {skip}"
        ids = [row[0] for row in await tx.table("id", sql, mailing_id, limit)]
        await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(ids))
        # What a receipt has locked just now is left, and comes next time.
        is_last = await tx.row("SELECT 1 FROM message WHERE mailing_id = ? LIMIT 1", mailing_id) is None
        await tx.run(
            "UPDATE mailing SET details_removed_us = coalesce(details_removed_us, ?), details_leaving = ? WHERE id = ?",
            *(now_us, not is_last, mailing_id),
        )
        await tx.run("DELETE FROM mailing_breakdown WHERE mailing_id = ?", mailing_id)
        if is_last:
            await tx.run("DELETE FROM mailing_stat WHERE mailing_id = ? AND kind <> ?", mailing_id, TEXT_VERSION)
        return Removed(mailing_id, len(ids), is_last)


async def _next(tx: Tx, before_us: int) -> int | None:
    """A mailing of which there is something to remove, and which no other engine has in hand; it is kept so."""
    for condition, args in (
        ("details_leaving", ()),
        ("details_removed_us IS NULL AND (end_us <= ? OR cancelled_us <= ?)", (before_us, before_us)),
    ):
        rows = await tx.rows(
            "SELECT id FROM mailing WHERE deleted_us IS NULL"
            " AND (SELECT pending FROM mailing_counters AS k WHERE k.mailing_id = mailing.id) = 0"
            f" AND {condition} ORDER BY id LIMIT {_LOOKED_AT}"
            f" {tx.dialect.lock_kept and tx.dialect.lock_kept + ' SKIP LOCKED'}",
            *args,
        )
        for (mailing_id,) in rows:
            if not await is_asked(tx, mailing_id):
                return int(mailing_id)
    return None
