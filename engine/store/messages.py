"""Reading messages; and when the next one is due."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Final

from engine.domain.errors import NotFound
from engine.domain.message import Reason, Status
from engine.domain.routing import FBRQ_ID, Route
from engine.store.cancelled import as_read, is_behind
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_final, is_waiting
from engine.store.mailing_rows import HIDDEN
from engine.store.message_list import ids_after, is_long_message_list, list_ids
from engine.store.provider_names import CALLED
from engine.store.routes import index_for, may_have, with_numbers
from engine.store.row_of import Part, RowOf
from engine.store.rows import (
    AttemptOutcome,
    AttemptRow,
    MessageQuery,
    MessageRow,
    Page,
    PageOf,
)
from engine.store.texts import text_of
from engine.store.verbs import Verbs, look_up, read

_FINAL: Final = frozenset(status for status in Status if status.is_final)
MESSAGE: Final = RowOf(
    MessageRow,
    lacks=["text"],
    attempts=Part(("attempt",)),
    sent_us=Part(("status", "finished_us"), lambda status, time_us: time_us if status == Status.SENT else None),
    final_us=Part(("status", "finished_us"), lambda status, time_us: time_us if status in _FINAL else None),
    next_attempt_us=Part(
        ("status", "due_us"), lambda status, due_us: due_us or None if status == Status.PENDING else None
    ),
)
_HAS_ENDED: Final = f"({is_final('m')} OR {is_behind('m')})"
_SOURCES: Final = {
    **as_read("m"),
    "phone_number": "c.phone_number",
    # Those from before there were versions can only have gone out with the first.
    "text_version": f"coalesce(m.text_version, CASE WHEN {_HAS_ENDED} AND m.attempt > 0 THEN 1 END)",
    "provider": "p.name",
}
_SELECT: Final = f"SELECT {MESSAGE.select('m', **_SOURCES)}, m.started_us AS started_us"
_FROM: Final = (
    f"FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id LEFT JOIN provider AS p ON p.id = {CALLED}"
)
ATTEMPT: Final = RowOf(
    AttemptRow,
    outcome=Part(("lost",), lambda lost: AttemptOutcome.LOST if lost else AttemptOutcome.DEFERRED),
)
_HISTORY: Final = (
    f"SELECT {ATTEMPT.select('a', provider='p.name')} FROM attempt AS a"
    f" LEFT JOIN provider AS p ON p.id = coalesce(a.provider_id, {FBRQ_ID})"
)
_REFUSED: Final = 400
_VISIBLE: Final = f"m.mailing_id NOT IN ({HIDDEN})"


class MessageVerbs(Verbs):
    """Nothing here changes anything."""

    @look_up(Lane.DELIVERY)
    async def next_due_us(self, tx: Tx, mailing_id: int, route: Route | None = None) -> int | None:
        """When the next pending message is due; see ``ports.Store``."""
        source, allowed = "message AS m", ""
        if route is not None:
            source += f" {tx.dialect.indexed_by(index_for(route))} {with_numbers(route)}"
            allowed = f" AND {may_have(route)}"
        due_us: int | None = await tx.value(
            f"SELECT m.due_us FROM {source} WHERE m.mailing_id = ? AND {is_waiting('m')}{allowed}"
            " ORDER BY m.due_us, m.id LIMIT 1",
            mailing_id,
        )
        return due_us

    @read(Lane.API)
    async def get_message(self, tx: Tx, message_id: int) -> tuple[MessageRow, tuple[AttemptRow, ...]]:
        """Read one message, its text too, with its finished attempts, the first first; ``NotFound`` when there is
        none."""
        row = await tx.row(f"{_SELECT} {_FROM} WHERE m.id = ? AND {_VISIBLE}", message_id)
        if row is None:
            raise NotFound("message", message_id)
        history = await tx.rows(f"{_HISTORY} WHERE a.message_id = ? ORDER BY a.number", message_id)
        message = MESSAGE.read(row)
        message = replace(message, text=await text_of(tx, message))
        attempts = tuple(ATTEMPT.read(row) for row in history)
        return message, (*attempts, *_last_attempt(message, row[-1], {attempt.number for attempt in attempts}))

    async def list_messages(self, query: MessageQuery, page: Page) -> PageOf[MessageRow]:
        """Messages by id, ascending unless the page says otherwise."""
        lane = Lane.LONG if is_long_message_list(query, page) else Lane.API
        return await self._db.read(lambda tx: _list(tx, query, page), lane)

    async def export_messages(
        self, query: MessageQuery, page_size: int = 1000
    ) -> AsyncIterator[tuple[MessageRow, ...]]:
        """All messages that match by id, in pages; each page is read when it is asked for."""
        page: Page | None = Page(page_size)
        while page is not None:
            items, more = await self._exported_messages(query, page)
            if items:
                yield items
            page = Page(page_size, items[-1].id) if more else None

    @read(Lane.LONG)
    async def _exported_messages(self, tx: Tx, query: MessageQuery, page: Page) -> tuple[tuple[MessageRow, ...], bool]:
        ids, more = await ids_after(tx, query, page)
        return await _rows(tx, ids), more


async def _list(tx: Tx, query: MessageQuery, page: Page) -> PageOf[MessageRow]:
    ids, more, total = await list_ids(tx, query, page)
    return PageOf(await _rows(tx, ids), total, ids[-1] if more else None)


async def _rows(tx: Tx, ids: Sequence[int]) -> tuple[MessageRow, ...]:
    """These messages, in the order given."""
    rows = await tx.table(
        MESSAGE.sql,
        f"{_SELECT} {_FROM} WHERE m.id {tx.dialect.in_list()} LIMIT {len(ids)}",
        tx.dialect.list_arg(ids),
    )
    found = {row[0]: MESSAGE.read(row) for row in rows}
    return tuple(found[id] for id in ids)


def _last_attempt(message: MessageRow, started_us: int | None, in_history: Collection[int]) -> tuple[AttemptRow, ...]:
    """The attempt that ended its message is in the message itself, unless there was none: it ended while it waited."""
    outcome = {
        (Status.SENT, None): AttemptOutcome.SENT,
        (Status.NOT_SENT, Reason.REJECTED): AttemptOutcome.REJECTED,
        # Refused, but an earlier attempt may have reached the provider: that is why the message is uncertain.
        (Status.NOT_SENT, Reason.UNCERTAIN): AttemptOutcome.REJECTED
        if message.http_status == _REFUSED
        else AttemptOutcome.LOST,
    }.get((message.status, message.reason))
    number, finished_us = message.attempts, message.final_us
    if outcome is None or finished_us is None or not number or number in in_history:
        return ()
    called = (started_us, finished_us, message.http_status, message.detail, message.provider)
    return (AttemptRow(number, outcome, *called),)
