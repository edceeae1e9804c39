"""Audiences that are decided: from the start of a mailing on, if it is ``fixed`` (docs/behaviour.md, rule 1).

Clients that change do not change them. Of the time when an audience was decided it is known which clients there were,
not what they were like. So one who is changed while it is still being collected counts as it is when its turn comes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from engine.store.database import Row, Tx
from engine.store.matching import MAY_GET
from engine.store.told import left_out

IS_DECIDED: Final = "(audience_fixed AND start_us <= ?)"
"""``domain.window.is_decided`` in SQL. The argument is the time."""


def in_time(mailing_id: int, audience_fixed: bool, start_us: int, decided_us: int, audience_us: int) -> str:
    """The condition that ``client AS c`` came before the audience was decided, or has its message anyway: the start may
    have been moved to an earlier time since. ``decided_us``: the edit that decided it at once; 0: there was none."""
    if not audience_fixed:
        return "TRUE"
    until_us = max(start_us, decided_us, audience_us + 1)
    has_message = f"SELECT 1 FROM message AS mine WHERE mine.client_id = c.id AND mine.mailing_id = {int(mailing_id)}"
    return f"(c.create_us < {int(until_us)} OR EXISTS ({has_message}))"


async def staying(tx: Tx, stored: Sequence[Row], decided: Collection[int], now_us: int) -> set[tuple[int, int]]:
    """(mailing, client) of messages that stay in decided audiences although their clients were changed: all, but for
    those whose clients got a number that the mailing has told, or that is on the stop list.

    Args:
        stored: the messages: id, mailing, client, status, stale. What is stale by now goes.
        decided: ids of these mailings.
    """
    return await may_stay(tx, {(row[1], row[2]) for row in stored if row[1] in decided and not row[4]}, now_us)


async def may_stay(tx: Tx, pairs: Collection[tuple[int, int]], now_us: int) -> set[tuple[int, int]]:
    """Those of the (mailing, client) of decided audiences whose client may still get a text, and has no number that the
    mailing has told."""
    if not pairs:
        return set()
    rows = await tx.rows(
        f"SELECT c.id, c.phone_number FROM client AS c WHERE c.id {tx.dialect.in_list()} AND {MAY_GET}",
        tx.dialect.list_arg({client_id for _, client_id in pairs}),
    )
    phones = {row[0]: row[1] for row in rows}
    may_get = {pair for pair in pairs if pair[1] in phones}
    return may_get - await left_out(tx, may_get, phones, now_us)
