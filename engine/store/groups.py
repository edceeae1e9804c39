"""The group in which a message counts: its client's operator code, time zone and tag when the text went out.

A client may get another tag later, and what a mailing has done must not move with it. The rows of messages have no copy
of the three, which would cost each message: they are noted at the messages that have ended when a client becomes
another, in that transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.store.cancelled import is_behind
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.lifecycle import is_final, is_not_final
from engine.store.verbs import hold

_NAMES: Final = ("phone_code", "time_zone", "tag")
_NOW: Final = " || '|' || ".join(f"c.{name}" for name in _NAMES)
GROUP: Final = f"coalesce(CASE WHEN c.id IS NOT NULL THEN coalesce(m.client_was, {_NOW}) END, '||')"
"""The group of the message ``m`` whose client is ``c``, with bars between. The tag comes last: it may contain one. An
operator code is never empty: where it is, the client was deleted."""
_WAS: Final = {"id": "int", "was": "text"}


def counts_elsewhere(old: Any, new: Any) -> bool:
    """Whether a client, as a row or as the API says it, gets into another group."""
    return _group(old) != _group(new)


async def keep_groups(tx: Tx, old: Mapping[int, Any], changed: Iterable[int], tally: Tally) -> None:
    """Note at messages that have ended in which group they were. The others get into another one with their clients.

    Args:
        tx: the transaction, which writes the clients.
        old: what those that get into another group were before, by id.
        changed: ids of all that are written. Their messages that have not ended are locked too, with the others and in
            one order: the transaction is to change them, and a receipt waits for messages of both kinds.
        tally: is told of their mailings.
    """
    if not old:
        return
    ended = f"({is_final('message')} OR {is_behind('message')}) AND message.client_was IS NULL"
    listed = tx.dialect.in_list()
    which = f"{is_not_final('message')} OR (message.client_id {listed} AND {ended})"
    args = [tx.dialect.list_arg(sorted(ids)) for ids in (changed, old)]
    await hold(tx, "message", f"message.client_id {listed} AND ({which})", *args)
    rows = [[client_id, "|".join(_group(client))] for client_id, client in sorted(old.items())]
    await tx.run(
        f"UPDATE message SET client_was = r.was FROM {tx.dialect.rows_table(**_WAS)}"
        f" WHERE message.client_id = r.id AND {ended}",
        *tx.dialect.rows_args(rows, len(_WAS)),
    )
    sql = f"SELECT DISTINCT mailing_id FROM message WHERE client_id {listed} AND {is_not_final()}"
    tally.touch(row[0] for row in await tx.rows(sql, tx.dialect.list_arg(sorted(old))))


def _group(client: Any) -> list[str]:
    return [getattr(client, name) for name in _NAMES]
