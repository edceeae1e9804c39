"""Outcomes that did not pass the fence: which of them are no loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.domain.message import Event
from engine.ports import Record
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_final
from engine.store.verbs import Verbs, read

_RECORD: Final = dict.fromkeys(("id", "mailing_id", "attempt", "started_us", "finished_us", "put_off"), "int")
_IS_STORED: Final = (
    f"({is_final('m')} AND m.attempt = r.attempt AND m.started_us = r.started_us AND m.finished_us = r.finished_us)"
    " OR EXISTS (SELECT 1 FROM attempt AS a WHERE a.message_id = r.id AND a.number = r.attempt"
    " AND a.started_us = r.started_us)"
)
_IS_REMOVED: Final = (
    "m.id IS NULL AND (r.put_off = 1 OR NOT EXISTS (SELECT 1 FROM mailing WHERE id = r.mailing_id"
    " AND deleted_us IS NULL))"
)


class FencedVerbs(Verbs):
    """A verb of ``ports.Store``."""

    @read(Lane.DELIVERY)
    async def fenced(self, tx: Tx, records: Sequence[Record]) -> int:
        """See ``ports.Store``."""
        rows = [
            (item.message_id, item.mailing_id, _attempt(item), item.started_us, item.finished_us, _put_off(item))
            for item in records
        ]
        return int(
            await tx.value(
                f"SELECT count(*) FROM {tx.dialect.rows_table(**_RECORD)} LEFT JOIN message AS m ON m.id = r.id"
                f" WHERE NOT coalesce({_IS_STORED}, FALSE) AND NOT ({_IS_REMOVED})",
                *tx.dialect.rows_args(rows, len(_RECORD)),
            )
        )


def _put_off(record: Record) -> int:
    """Whether the outcome may have been that the message is removed."""
    return int(record.event in (Event.DEFER, Event.MISS, Event.LACK))


def _attempt(record: Record) -> int:
    """The number of attempts in the row of a message that has ended so."""
    return record.attempt - (record.event is Event.LACK)
