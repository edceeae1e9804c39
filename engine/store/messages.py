"""Reading messages and statistics; and when the next one is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from engine.domain.errors import NotFound
from engine.domain.message import Reason, Status
from engine.store import counters
from engine.store.database import Row, Tx
from engine.store.mailings import get_mailing_row
from engine.store.rows import (
    DELETED_CLIENT,
    AttemptOutcome,
    AttemptRow,
    GroupCounts,
    MessageQuery,
    MessageRow,
    Page,
    PageOf,
    StatsRow,
    TimelineRow,
)
from engine.store.verbs import Verbs

_COLUMNS: Final = (
    "id, mailing_id, client_id, phone_number, status, reason, attempt, create_us, due_us,"
    " started_us, finished_us, http_status, detail"
)
_SELECT: Final = (
    "SELECT m.id AS id, m.mailing_id AS mailing_id, m.client_id AS client_id, c.phone_number AS phone_number,"
    " m.status AS status, m.reason AS reason, m.attempt AS attempt, m.create_us AS create_us, m.due_us AS due_us,"
    " m.started_us AS started_us, m.finished_us AS finished_us, m.http_status AS http_status, m.detail AS detail"
    " FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id"
)
_VISIBLE: Final = "m.mailing_id NOT IN (SELECT id FROM mailing WHERE deleted_us IS NOT NULL)"
_PUBLIC: Final = {"pending": "m.status <= 2", "sent": "m.status = 3", "not_sent": "m.status = 4"}
_FEW: Final[Mapping[str | None, tuple[tuple[str, str], ...]]] = {
    "pending": (("message_due", "status = 0"), ("message_lease", "status IN (1, 2)")),
    "not_sent": (("message_not_sent", "status = 4"),),
}
_FEW_MAX: Final = 5_000
_COUNTER_SUMS: Final = {
    None: "pending + sent + expired + rejected + cancelled + uncertain",
    "pending": "pending",
    "sent": "sent",
    "not_sent": "expired + rejected + cancelled + uncertain",
}


class MessageVerbs(Verbs):
    """Nothing here changes anything."""

    async def next_due_us(self, mailing_id: int) -> int | None:
        """When the next pending message is due; see ``ports.Store``."""

        async def work(tx: Tx) -> int | None:
            due_us: int | None = await tx.value(
                "SELECT due_us FROM message WHERE mailing_id = ? AND status = 0 ORDER BY due_us, id LIMIT 1", mailing_id
            )
            return due_us

        return await self._db.read(work)

    async def get_message(self, message_id: int) -> tuple[MessageRow, tuple[AttemptRow, ...]]:
        """Read one message with its finished attempts, the first first; ``NotFound`` when there is none."""

        async def work(tx: Tx) -> tuple[MessageRow, tuple[AttemptRow, ...]]:
            row = await tx.row(f"{_SELECT} WHERE m.id = ? AND {_VISIBLE}", message_id)
            if row is None:
                raise NotFound("message", message_id)
            history = await tx.rows(
                "SELECT number, lost, started_us, finished_us, http_status, detail FROM attempt"
                " WHERE message_id = ? ORDER BY number",
                message_id,
            )
            return _message(row), (*map(_attempt, history), *_last_attempt(row))

        return await self._db.read(work)

    async def list_messages(self, query: MessageQuery, page: Page) -> PageOf[MessageRow]:
        """Messages by id, ascending."""
        condition, args = _restrictions(query)

        async def work(tx: Tx) -> PageOf[MessageRow]:
            total = await _total(tx, query, condition, args)
            few = _few(tx, query, total)
            shown, shown_args = (condition, args) if few is None else few
            rows = await tx.table(
                _COLUMNS,
                f"{_SELECT} WHERE {shown} AND m.id > ? ORDER BY m.id LIMIT ?",
                *shown_args,
                page.after or 0,
                page.limit + 1,
            )
            items = tuple(_message(row) for row in rows[: page.limit])
            return PageOf(items, total, items[-1].id if len(rows) > page.limit else None)

        return await self._db.read(work)

    async def mailing_stats(self, mailing_id: int) -> StatsRow:
        """The detailed statistics of a mailing; reads all its messages. ``NotFound`` when there is none."""

        async def work(tx: Tx) -> StatsRow:
            mailing = await get_mailing_row(tx, mailing_id)
            made = await tx.row("SELECT attempts, retried FROM mailing_counters WHERE mailing_id = ?", mailing_id)
            attempts, retried = made or (0, 0)
            stats = await _stats(tx, mailing_id)
            groups = [await _groups(tx, mailing_id, name) for name in ("phone_code", "tag", "time_zone")]
            return StatsRow(
                mailing,
                attempts,
                retried,
                dict(sorted(stats[counters.HTTP_STATUS].items())),
                dict(sorted(stats[counters.LATENCY].items())),
                _timeline(stats),
                *groups,
            )

        return await self._db.read(work)


def _message(row: Row) -> MessageRow:
    id, mailing_id, client_id, phone, status, reason, attempt, create_us, due_us, _, finished_us, http, detail = row
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
        next_attempt_us=due_us if status == Status.PENDING and due_us else None,
        http_status=http,
        detail=detail,
    )


def _attempt(row: Row) -> AttemptRow:
    number, lost, started_us, finished_us, http_status, detail = row
    outcome = AttemptOutcome.LOST if lost else AttemptOutcome.DEFERRED
    return AttemptRow(number, outcome, started_us, finished_us, http_status, detail)


def _last_attempt(row: Row) -> tuple[AttemptRow, ...]:
    """The attempt that ended its message is in the message itself."""
    status, reason, number, started_us, finished_us, http_status, detail = row[4], row[5], row[6], *row[9:13]
    outcome = {
        (Status.SENT, None): AttemptOutcome.SENT,
        (Status.NOT_SENT, Reason.REJECTED): AttemptOutcome.REJECTED,
        (Status.NOT_SENT, Reason.UNCERTAIN): AttemptOutcome.LOST,
    }.get((status, reason))
    if outcome is None:
        return ()
    return (AttemptRow(number, outcome, started_us, finished_us, http_status, detail),)


def _restrictions(query: MessageQuery) -> tuple[str, list[Any]]:
    conditions, args = [_VISIBLE], []
    for column, value in (("mailing_id", query.mailing_id), ("client_id", query.client_id), ("reason", query.reason)):
        if value is not None:
            conditions.append(f"m.{column} = ?")
            args.append(int(value))
    if query.status is not None:
        conditions.append(_PUBLIC[query.status])
    if query.reason is not None:
        conditions.append("m.status = 4")  # names the partial index message_not_sent
    return " AND ".join(conditions), args


def _few(tx: Tx, query: MessageQuery, total: int) -> tuple[str, list[Any]] | None:
    """The condition for a list of few among many: by the partial indexes. Many are found by walking along the
    ids (``None``)."""
    parts = _FEW.get(query.status)
    if parts is None or query.client_id is not None or query.reason is not None or total > _FEW_MAX:
        return None
    which, args = ("TRUE", []) if query.mailing_id is None else ("mailing_id = ?", [query.mailing_id])
    selects = " UNION ALL ".join(
        f"SELECT id FROM message {tx.dialect.indexed_by(index)} WHERE {part} AND {which}" for index, part in parts
    )
    return f"{_VISIBLE} AND m.id IN ({selects})", args * len(parts)


async def _total(tx: Tx, query: MessageQuery, condition: str, args: list[Any]) -> int:
    """From the counters, unless the list is of one client's messages: those are few."""
    if query.client_id is not None:
        return int(await tx.value(f"SELECT count(*) FROM message AS m WHERE {condition}", *args))
    if query.reason is None:
        numbers = _COUNTER_SUMS[query.status]
    elif query.status in (None, "not_sent"):
        numbers = query.reason.public
    else:
        return 0
    restriction, which = ("TRUE", []) if query.mailing_id is None else ("id = ?", [query.mailing_id])
    return int(
        await tx.value(
            f"SELECT coalesce(sum({numbers}), 0) FROM mailing_counters AS k JOIN mailing AS m ON m.id = k.mailing_id"
            f" WHERE deleted_us IS NULL AND {restriction}",
            *which,
        )
    )


async def _stats(tx: Tx, mailing_id: int) -> Mapping[str, dict[int, int]]:
    stats: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for kind, key, number in await tx.rows(
        "SELECT kind, key, count FROM mailing_stat WHERE mailing_id = ? ORDER BY kind, key", mailing_id
    ):
        stats[kind][key] = number
    return stats


def _timeline(stats: Mapping[str, dict[int, int]]) -> tuple[TimelineRow, ...]:
    kinds = (counters.TIMELINE_SENT, counters.TIMELINE_NOT_SENT, counters.TIMELINE_DEFERRED)
    spans = sorted({span for kind in kinds for span in stats[kind]})
    width_us = counters.TIMELINE_SECONDS * 1_000_000
    return tuple(TimelineRow(span * width_us, *(stats[kind].get(span, 0) for kind in kinds)) for span in spans)


async def _groups(tx: Tx, mailing_id: int, column: str) -> dict[str, GroupCounts]:
    rows = await tx.rows(
        f"SELECT c.{column}, sum(CASE WHEN m.status <= 2 THEN 1 ELSE 0 END),"
        " sum(CASE WHEN m.status = 3 THEN 1 ELSE 0 END), sum(CASE WHEN m.status = 4 THEN 1 ELSE 0 END)"
        " FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id"
        f" WHERE m.mailing_id = ? GROUP BY c.{column} ORDER BY count(*) DESC, c.{column}",
        mailing_id,
    )
    return {DELETED_CLIENT if name is None else name: GroupCounts(*map(int, numbers)) for name, *numbers in rows}
