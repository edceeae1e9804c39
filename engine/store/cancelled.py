"""A cancel is true at its commit, however many messages wait; their rows follow in chunks (``cancel_pending``).

Until then a message that waits is read as what it will be: ``not_sent``, with the reason and the time that the chunk
writes. Whoever changes such a message otherwise ends it first (``settle``). ``docs/decisions/cancel.md`` says why.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from engine.domain.message import Event, Reason, Status, Step, step
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.dialect import Dialect
from engine.store.lifecycle import is_taken, is_waiting, set_to
from engine.store.outbox import tell_messages

_ENDS: Final = {unsure: step(Status.PENDING, Event.CANCEL, unsure=unsure) for unsure in (False, True)}
"""What becomes of a message that waits, by whether it may have reached its provider."""
_REASONS: Final = {unsure: int(reason) for unsure, end in _ENDS.items() if (reason := end.reason) is not None}
REASONS: Final = {Reason(reason): unsure for unsure, reason in _REASONS.items()}
"""Whether a message is unsure that gets this reason by a cancel."""
CANCELLED: Final = "SELECT id FROM mailing WHERE cancelled_us IS NOT NULL"
_BEHIND: Final = "m.cancelled_us IS NOT NULL AND k.pending > 0"
"""Of ``mailing AS m`` with its counters ``k``: it is cancelled, and not all of its messages are final in their rows."""


def is_behind(of: str) -> str:
    """The condition that a message waits by its row, and its mailing is cancelled. The mailing is found by its key, and
    only for a message that waits."""
    mailing = f"SELECT 1 FROM mailing AS ended WHERE ended.id = {of}.mailing_id AND ended.cancelled_us IS NOT NULL"
    return f"({is_waiting(of)} AND EXISTS ({mailing}))"


def ended_us(of: str) -> str:
    """When a message that ``is_behind`` ended: with the cancel, or with a call that was under way then."""
    cancel = f"SELECT ended.cancelled_us AS at_us FROM mailing AS ended WHERE ended.id = {of}.mailing_id"
    calls = f"SELECT a.finished_us FROM attempt AS a WHERE a.message_id = {of}.id"
    return f"(SELECT max(times.at_us) FROM ({cancel} UNION ALL {calls}) AS times)"


def as_read(of: str) -> dict[str, str]:
    """The columns of a message whose rows may be behind, in SQL, by name."""
    reason = f"CASE WHEN {of}.unsure THEN {_REASONS[True]} ELSE {_REASONS[False]} END"
    values = {"status": str(int(_ENDS[False].status)), "reason": reason, "finished_us": ended_us(of), "due_us": "0"}
    return {name: f"CASE WHEN {is_behind(of)} THEN {value} ELSE {of}.{name} END" for name, value in values.items()}


def counters_as_read(dialect: Dialect) -> dict[str, str]:
    """The counters ``k`` of ``mailing AS m`` that differ while its rows are behind, in SQL, by name. What an engine has
    is pending still: that is little, and has an index; so has what may have reached its provider."""
    taken = f"SELECT count(*) FROM message AS t {dialect.indexed_by('message_lease')} WHERE t.mailing_id = m.id"
    taken = f"({taken} AND {is_taken('t')})"
    unsure = f"SELECT count(*) FROM message AS t {dialect.indexed_by('message_unsure')} WHERE t.mailing_id = m.id"
    unsure = f"({unsure} AND {is_waiting('t')} AND t.unsure)"
    named = {
        "pending": taken,
        Reason(_REASONS[True]).public: f"k.{Reason(_REASONS[True]).public} + {unsure}",
        Reason(_REASONS[False]).public: f"k.{Reason(_REASONS[False]).public} + k.pending - {taken} - {unsure}",
    }
    return {name: f"CASE WHEN {_BEHIND} THEN {sql} ELSE k.{name} END" for name, sql in named.items()}


async def mailings_behind(tx: Tx, mailing_id: int | None = None) -> tuple[int, ...]:
    """Ids of mailings whose rows are behind; ``mailing_id``: only of this one."""
    which = "TRUE" if mailing_id is None else f"m.id = {int(mailing_id)}"
    rows = await tx.rows(
        f"SELECT m.id FROM mailing_counters AS k JOIN mailing AS m ON m.id = k.mailing_id WHERE {_BEHIND} AND {which}"
    )
    return tuple(row[0] for row in rows)


async def is_mailing_behind(tx: Tx, mailing_id: int) -> bool:
    """Whether the rows of this mailing are behind."""
    return bool(await mailings_behind(tx, mailing_id))


async def put_off_cancels(tx: Tx, message_ids: Collection[int]) -> None:
    """Let the mailings of these messages, which are locked, be cancelled after this transaction only, or before it: the
    next statement sees that. Otherwise somebody could read between the two commits that a message has ended,
    which this transaction goes on with."""
    if message_ids and not tx.dialect.is_sqlite:
        mailings = f"SELECT mailing_id FROM message WHERE id {tx.dialect.in_list()}"
        sql = f"SELECT 1 FROM mailing WHERE id IN ({mailings}) ORDER BY id FOR SHARE"
        await tx.rows(sql, tx.dialect.list_arg(message_ids))


async def settle(tx: Tx, message_ids: Collection[int], tally: Tally) -> set[int]:
    """End those of these messages, which are locked, that are behind; return their ids."""
    if not message_ids:
        return set()
    listed, ids = tx.dialect.in_list(), tx.dialect.list_arg(message_ids)
    settled: set[int] = set()
    for unsure, end in _ENDS.items():
        which = f"id {listed} AND {'unsure' if unsure else 'NOT unsure'}"
        for id, mailing_id, at_us in await end_behind(tx, end, which, ids):
            tally.move(mailing_id, end, at_us)
            settled.add(id)
    return settled


async def end_behind(tx: Tx, end: Step, which: str, *args: Any) -> list[Any]:
    """End messages of cancelled mailings that wait; returns id, mailing, and when each ended."""
    ended = await tx.rows(
        f"UPDATE message SET {set_to(end)}, due_us = 0, finished_us = {ended_us('message')}"
        f" WHERE {which} AND {is_waiting()} AND mailing_id IN ({CANCELLED}) RETURNING id, mailing_id, finished_us",
        *args,
    )
    await tell_messages(tx, [row[0] for row in ended])
    return list(ended)
