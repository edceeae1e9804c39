"""Reading messages; and when the next one is due."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from engine.domain.errors import NotFound
from engine.domain.message import Reason, Status
from engine.store.database import Lane, Row, Tx
from engine.store.lifecycle import is_final, is_waiting
from engine.store.message_list import is_long_message_list, list_ids
from engine.store.rows import (
    AttemptOutcome,
    AttemptRow,
    MessageQuery,
    MessageRow,
    Page,
    PageOf,
)
from engine.store.texts import text_of
from engine.store.verbs import Verbs

_COLUMNS: Final = (
    "id, mailing_id, client_id, phone_number, status, reason, attempt, create_us, due_us,"
    " started_us, finished_us, http_status, detail, text_version"
)
_SELECT: Final = (
    "SELECT m.id AS id, m.mailing_id AS mailing_id, m.client_id AS client_id, c.phone_number AS phone_number,"
    " m.status AS status, m.reason AS reason, m.attempt AS attempt, m.create_us AS create_us, m.due_us AS due_us,"
    " m.started_us AS started_us, m.finished_us AS finished_us, m.http_status AS http_status, m.detail AS detail,"
    # Those from before there were versions can only have gone out with the first.
    f" coalesce(m.text_version, CASE WHEN {is_final('m')} AND m.attempt > 0 THEN 1 END) AS text_version"
    " FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id"
)
_REFUSED: Final = 400
_VISIBLE: Final = "m.mailing_id NOT IN (SELECT id FROM mailing WHERE deleted_us IS NOT NULL)"


class MessageVerbs(Verbs):
    """Nothing here changes anything."""

    async def next_due_us(self, mailing_id: int) -> int | None:
        """When the next pending message is due; see ``ports.Store``."""

        async def work(tx: Tx) -> int | None:
            due_us: int | None = await tx.value(
                f"SELECT due_us FROM message WHERE mailing_id = ? AND {is_waiting()} ORDER BY due_us, id LIMIT 1",
                mailing_id,
            )
            return due_us

        return await self._db.read(work, Lane.DELIVERY)

    async def get_message(self, message_id: int) -> tuple[MessageRow, tuple[AttemptRow, ...]]:
        """Read one message, its text too, with its finished attempts, the first first; ``NotFound`` when there is
        none."""

        async def work(tx: Tx) -> tuple[MessageRow, tuple[AttemptRow, ...]]:
            row = await tx.row(f"{_SELECT} WHERE m.id = ? AND {_VISIBLE}", message_id)
            if row is None:
                raise NotFound("message", message_id)
            history = await tx.rows(
                "SELECT number, lost, started_us, finished_us, http_status, detail FROM attempt"
                " WHERE message_id = ? ORDER BY number",
                message_id,
            )
            message = _message(row)
            message = replace(message, text=await text_of(tx, message))
            return message, (*map(_attempt, history), *_last_attempt(row, {one[0] for one in history}))

        return await self._db.read(work)

    async def list_messages(self, query: MessageQuery, page: Page) -> PageOf[MessageRow]:
        """Messages by id, ascending unless the page says otherwise."""

        async def work(tx: Tx) -> PageOf[MessageRow]:
            ids, more, total = await list_ids(tx, query, page)
            rows = await tx.table(
                _COLUMNS,
                f"{_SELECT} WHERE m.id {tx.dialect.in_list()} LIMIT {len(ids)}",
                tx.dialect.list_arg(ids),
            )
            found = {row[0]: _message(row) for row in rows}
            return PageOf(tuple(found[id] for id in ids), total, ids[-1] if more else None)

        return await self._db.read(work, Lane.LONG if is_long_message_list(query, page) else Lane.API)


def _message(row: Row) -> MessageRow:
    id, mailing_id, client_id, phone, status, reason, attempt, create_us, due_us, _, finished_us, http, detail = row[
        :13
    ]
    return MessageRow(
        id=id,
        mailing_id=mailing_id,
        client_id=client_id,
        phone_number=phone,
        status=Status(status),
        reason=None if reason is None else Reason(reason),
        attempts=attempt,
        create_us=create_us,
        sent_us=finished_us if status == Status.SENT else None,
        final_us=finished_us if Status(status).is_final else None,
        next_attempt_us=due_us if status == Status.PENDING and due_us else None,
        http_status=http,
        detail=detail,
        text_version=row[13],
    )


def _attempt(row: Row) -> AttemptRow:
    number, lost, started_us, finished_us, http_status, detail = row
    outcome = AttemptOutcome.LOST if lost else AttemptOutcome.DEFERRED
    return AttemptRow(number, outcome, started_us, finished_us, http_status, detail)


def _last_attempt(row: Row, in_history: Collection[int]) -> tuple[AttemptRow, ...]:
    """The attempt that ended its message is in the message itself, unless there was none: it ended while it waited."""
    status, reason, number, started_us, finished_us, http_status, detail = row[4], row[5], row[6], *row[9:13]
    outcome = {
        (Status.SENT, None): AttemptOutcome.SENT,
        (Status.NOT_SENT, Reason.REJECTED): AttemptOutcome.REJECTED,
        # Refused, but an earlier attempt may have reached the provider: that is why the message is uncertain.
        (Status.NOT_SENT, Reason.UNCERTAIN): AttemptOutcome.REJECTED
        if http_status == _REFUSED
        else AttemptOutcome.LOST,
    }.get((status, reason))
    if outcome is None or not number or number in in_history:
        return ()
    return (AttemptRow(number, outcome, started_us, finished_us, http_status, detail),)
