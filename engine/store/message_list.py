"""Lists of messages: any filter, any page, fast with a million of them.

There are partial indexes of what waits, of what is taken and of what is not sent, and an index of each mailing. There
is none of what was sent, which would cost a write for every message: those rows are found by walking along the ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.domain.message import Reason
from engine.domain.receipt import NO_RECEIPT
from engine.store.cancelled import REASONS, counters_as_read, mailings_behind
from engine.store.counters import FINAL, NAMES, NOT_SENT, UNHEARD
from engine.store.database import Row, Tx
from engine.store.lifecycle import any_reason, delivery_is, is_taken, is_waiting, shown_as
from engine.store.mailing_rows import HIDDEN
from engine.store.paging import SKIP_SHORT_MAX, PageQuery, forward, read_page, trimmed
from engine.store.rows import MessageQuery, Page

_COUNTER_SUMS: Final = {
    None: f"pending + {FINAL}",
    "pending": "pending",
    "sent": "sent",
    "not_sent": NOT_SENT,
}
_SORTED_MAX: Final = 400_000
"""The most ids that are taken out of indexes and sorted. Where more match, a walk along the rows soon meets enough."""
_LARGE_SHARE: Final = 4
"""A mailing that has this part of all messages, or more, is read faster row by row than by its index."""


@dataclass(frozen=True, slots=True)
class _Totals:
    """Sums of the counters, which are equal to the rows (docs/behaviour.md, rule 13) where these are not removed."""

    matching: int
    """Messages that match."""
    mailing: int
    """Messages of the mailing, or of all."""
    every: int
    """Messages of all mailings."""
    hidden: bool
    """Some messages belong to mailings that are deleted, or whose messages are being removed."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where to look for ids: a ``FROM``, a condition and its arguments."""

    table: str
    condition: str
    args: list[Any] = field(default_factory=list)

    async def ids(self, tx: Tx, part: PageQuery) -> Sequence[Row]:
        """The ids of a part of the list."""
        sql = f"SELECT id FROM {self.table} {part.sql(self.condition)}"
        return await tx.table("id", sql, *self.args, *part.args)


def is_long_message_list(query: MessageQuery, page: Page) -> bool:
    """Whether reading this page is a long question: rows are walked or sorted for the few that are shown."""
    return query.client_id is None and (
        page.skip > SKIP_SHORT_MAX or query.status is not None or query.reason is not None or query.delivery is not None
    )


async def list_ids(tx: Tx, query: MessageQuery, page: Page) -> tuple[list[int], bool, int]:
    """The ids of a page, whether there are more after it, and how many messages match in all."""
    if not _can_match(query):
        return [], False, 0
    if query.client_id is not None:
        return await _of_client(tx, query, page)
    totals = await _totals(tx, query)
    if not totals.matching:
        return [], False, 0
    source = _source(tx, query, totals, await mailings_behind(tx, query.mailing_id))
    rows, more = await read_page(page, totals.matching, lambda part: source.ids(tx, part))
    return [row[0] for row in rows], more, totals.matching


async def ids_after(tx: Tx, query: MessageQuery, page: Page) -> tuple[Sequence[int], bool]:
    """The ids of the next page of all that match, uncounted, and whether there are more after it."""
    condition, args = _conditions(query, await mailings_behind(tx, query.mailing_id))
    table = "message"
    if query.client_id is not None:
        condition += " AND client_id = ?"
        args.append(query.client_id)
    elif tx.dialect.is_sqlite:
        table = "message NOT INDEXED" if query.mailing_id is None else "message INDEXED BY message_mailing"
    rows = await _Source(table, f"{condition} AND {_VISIBLE}", args).ids(tx, forward(page))
    shown, more = trimmed(page, [row[0] for row in rows])
    return shown, more


async def _of_client(tx: Tx, query: MessageQuery, page: Page) -> tuple[list[int], bool, int]:
    """A client has one message a mailing: they are few, and are read once."""
    condition, args = _conditions(query, await mailings_behind(tx, query.mailing_id))
    rows = await tx.rows(
        f"SELECT id FROM message WHERE client_id = ? AND {condition} AND {_VISIBLE} ORDER BY id", query.client_id, *args
    )
    ahead = forward(page)
    ids: list[int] = [row[0] for row in rows]
    if ahead.descending:
        ids.reverse()
    beyond = [id for id in ids if ahead.after is None or (id < ahead.after if ahead.descending else id > ahead.after)]
    shown, more = trimmed(page, beyond[ahead.offset : ahead.offset + ahead.limit])
    return list(shown), more, len(ids)


_VISIBLE: Final = f"mailing_id NOT IN ({HIDDEN})"


def _can_match(query: MessageQuery) -> bool:
    """Only what is not sent has a reason, and only what is sent may lack a receipt."""
    if query.reason is not None and query.status not in (None, "not_sent"):
        return False
    return query.delivery != NO_RECEIPT or (query.reason is None and query.status in (None, "sent"))


def _counter_sum(query: MessageQuery) -> str:
    if query.delivery == NO_RECEIPT:
        return UNHEARD
    if query.delivery is not None:  # of those that are sent
        return query.delivery if query.reason is None and query.status in (None, "sent") else "0"
    if query.reason is not None:
        return query.reason.public
    return _COUNTER_SUMS[query.status]


async def _totals(tx: Tx, query: MessageQuery) -> _Totals:
    numbers = _counter_sum(query)
    whole = _COUNTER_SUMS[None]
    which = "TRUE" if query.mailing_id is None else f"id = {int(query.mailing_id)}"
    differ = counters_as_read(tx.dialect)
    counted = ", ".join(f"{differ.get(name, f'k.{name}')} AS {name}" for name in NAMES)
    row = await tx.row(
        f"SELECT coalesce(sum(CASE WHEN {which} THEN {numbers} END), 0),"
        f" coalesce(sum(CASE WHEN {which} THEN {whole} END), 0), coalesce(sum({whole}), 0)"
        f" FROM (SELECT m.id, {counted} FROM mailing_counters AS k JOIN mailing AS m ON m.id = k.mailing_id"
        " WHERE m.deleted_us IS NULL AND m.details_removed_us IS NULL) AS counted"
    )
    assert row is not None
    hidden = await tx.row(f"SELECT 1 FROM ({HIDDEN}) AS hidden LIMIT 1") is not None
    return _Totals(int(row[0]) + await _heard_unsent(tx, query), int(row[1]), int(row[2]), hidden)


async def _heard_unsent(tx: Tx, query: MessageQuery) -> int:
    """How many match that have a receipt and are not sent: they are few, and in no counter."""
    if query.delivery in (None, NO_RECEIPT) or query.status == "sent":
        return 0
    condition, args = _conditions(query)
    found = 0
    for kind in (shown_as("not_sent"), is_taken()):
        sql = f"SELECT count(*) FROM message WHERE {kind} AND {condition} AND {_VISIBLE}"
        found += int(await tx.value(sql, *args))
    return found


def _conditions(query: MessageQuery, behind: Sequence[int] = ()) -> tuple[str, list[Any]]:
    """``behind``: mailings that are cancelled, and whose rows have not followed yet."""
    conditions, args = ["TRUE"], []
    if query.mailing_id is not None:
        conditions.append("mailing_id = ?")
        args.append(query.mailing_id)
    if not _can_match(query):
        conditions.append("FALSE")
        return " AND ".join(conditions), args
    if query.delivery is not None:
        conditions.append(delivery_is(query.delivery))
    if query.reason is not None:
        # The status names the partial index message_not_sent.
        of_reason = f"{shown_as('not_sent')} AND reason = {int(query.reason)}"
        conditions.append(_or_behind(of_reason, behind, query.reason))
    elif query.status == "not_sent":
        conditions.append(_or_behind(shown_as("not_sent"), behind))
    elif query.status is not None:
        conditions.append(shown_as(query.status))
        if query.status == "pending" and behind:
            conditions.append(f"NOT {_is_behind(behind)}")
    return " AND ".join(conditions), args


def _or_behind(condition: str, behind: Sequence[int], reason: Reason | None = None) -> str:
    """What is not sent by its row, or is so only as it is read."""
    if not behind or (reason is not None and reason not in REASONS):
        return condition
    unsure = "TRUE" if reason is None else "unsure" if REASONS[reason] else "NOT unsure"
    return f"(({condition}) OR ({_is_behind(behind)} AND {unsure}))"


def _is_behind(behind: Sequence[int]) -> str:
    return f"({is_waiting()} AND mailing_id IN ({', '.join(map(str, behind))}))"


def _source(tx: Tx, query: MessageQuery, totals: _Totals, behind: Sequence[int]) -> _Source:
    """The cheapest way to the ids. Messages of a deleted mailing can't match when one that is not is asked for."""
    condition, args = _conditions(query, behind)
    hidden = totals.hidden and query.mailing_id is None
    shown = f"{condition} AND {_VISIBLE}" if hidden else condition
    if not tx.dialect.is_sqlite:
        return _Source("message", shown, args)  # it has statistics, and finds out by itself
    if query.delivery is None and query.status == "pending" and _is_rare(totals):
        return _pending(query, hidden, behind)
    is_not_sent = query.reason is not None or (query.status == "not_sent" and _is_rare(totals))
    if query.delivery is None and is_not_sent and not (behind and query.reason in (None, *REASONS)):
        return _not_sent(query)
    walks = query.status is not None or query.delivery is not None
    if query.mailing_id is None or (walks and totals.mailing * _LARGE_SHARE > totals.every):
        return _Source("message NOT INDEXED", shown, args)
    return _Source("message INDEXED BY message_mailing", shown, args)


def _is_rare(totals: _Totals) -> bool:
    return totals.matching * 2 < totals.mailing and totals.matching <= _SORTED_MAX


def _pending(query: MessageQuery, hidden: bool, behind: Sequence[int]) -> _Source:
    which, args = ("TRUE", []) if query.mailing_id is None else ("mailing_id = ?", [query.mailing_id])
    visible = f"{which} AND {_VISIBLE}" if hidden else which
    waiting = f"SELECT id FROM message INDEXED BY message_due WHERE {is_waiting()} AND {visible}"
    if behind:
        waiting += f" AND NOT {_is_behind(behind)}"
    taken = f"SELECT id FROM message INDEXED BY message_lease WHERE {is_taken()} AND {visible}"
    return _Source(f"({waiting} UNION ALL {taken})", "TRUE", args * 2)


def _not_sent(query: MessageQuery) -> _Source:
    """Each mailing and reason is a range of the index; with both of them one, in the order of the ids."""
    mailings, args = "IN (SELECT id FROM mailing WHERE deleted_us IS NULL)", []
    if query.mailing_id is not None:
        mailings, args = "= ?", [query.mailing_id]
    reasons = f"IN {any_reason()}" if query.reason is None else f"= {int(query.reason)}"
    condition = f"{shown_as('not_sent')} AND mailing_id {mailings} AND reason {reasons}"
    return _Source("message INDEXED BY message_not_sent", condition, args)
