"""How outcomes of calls are stored: the rows, the history of attempts, and what is counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from common.logs import mask_text
from engine.domain.cost import FREE, Charge, settled
from engine.domain.message import Event, Status, Step, outcome_of
from engine.ports import Record
from engine.store.confirming import LAST_CALLED, SAID, Heard
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.followers import not_reached
from engine.store.lifecycle import set_to
from engine.store.outbox import tell_messages
from engine.store.record_fields import of_record
from engine.store.told import hold_told, may_have_reached
from engine.store.verbs import hold

_HELD: Final = (
    "WITH held AS MATERIALIZED (SELECT {said} FROM {rows} JOIN message ON message.id = r.id WHERE {fence}"
    " ORDER BY message.id FOR UPDATE OF message) "
)
"""``hold`` as a part of the statement that changes the rows."""

_DETAIL_MAX: Final = 1_000
"""Characters."""

_SENT: Final = {"id": "int", "started_us": "int", "finished_us": "int"}
_OUTCOME: Final = {
    "id": "int",
    "status": "int",
    "reason": "int",
    "unsure": "int",
    "due_us": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
    "text_version": "int",
    "rendered": "text",
    "uncalled": "int",
    "next_provider": "int",
    "put_off": "int",
    "cost": "int",
}
_WHOSE_TURN: Final = (
    f"CASE WHEN r.uncalled <> 0 AND r.status = {int(Status.SENT)} THEN {LAST_CALLED}"
    " WHEN r.put_off = 0 OR message.unsure OR r.unsure <> 0 THEN message.provider_id ELSE r.next_provider END"
)
"""A message that certainly was not sent may go to another provider. One that may have reached its provider stays with
that one. One that is sent by a receipt, and was taken again but not called, is that of its last call."""
_KEPT: Final = "CASE WHEN message.client_id IS NOT NULL THEN {rendered} END"
"""What the placeholders stood for goes with the client, and may not come after that."""
_ATTEMPT: Final = {
    "id": "int",
    "number": "int",
    "lost": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
    "provider_id": "int",
}
_KEPT_IF_SENT: Final = ", ".join(
    f"{name} = CASE WHEN r.status = {int(Status.SENT)} THEN message.{name} END" for name in SAID
)
"""What is not sent, though it was said to be, was never called."""
# The same for all, for unsure ones too: one statement may store all that are accepted.
_ACCEPTED: Final = outcome_of(Event.ACCEPT)
_NOT_REACHED: Final = frozenset({Event.DEFER, Event.REJECT, Event.LACK})
"""What certainly was not sent."""


class Outcome(NamedTuple):
    """How the call of a message that is still ours has ended."""

    record: Record
    result: Step | None
    """``None``: the message, which was put off, is removed."""
    receipt: Heard | None

    @property
    def is_confirmed(self) -> bool:
        """The message is sent, although this call was not accepted."""
        return self.result is not None and self.result.status is Status.SENT and self.record.event is not Event.ACCEPT


async def store_all_sent(tx: Tx, records: Sequence[Record], owner: int) -> bool:
    """Most batches: all accepted, all still ours, and no receipt has come yet. One statement is fence and change at
    once, and how many rows it changed tells whether that was so; if not, nothing was done and the long way follows."""
    if [record.event for record in records].count(Event.ACCEPT) < len(records):
        return False
    await tx.run("SAVEPOINT all_sent")
    if await _store_sent(tx, records, owner, " AND message.delivery IS NULL") < len(records):
        await tx.run("ROLLBACK TO SAVEPOINT all_sent")
        return False
    tally = Tally()
    tally.calls(records, _ACCEPTED)
    for record in [record for record in records if record.charge is not FREE]:
        _count_cost(tally, record, _ACCEPTED)
    if tx.wanted:
        await tell_messages(tx, [record.message_id for record in records])
    await tally.write(tx)
    return True


async def store_outcomes(tx: Tx, outcomes: Sequence[Outcome], owner: int) -> None:
    """Store outcomes of messages that are still ours."""
    sent, others, gone = [], [], []
    by_step: defaultdict[Step, list[Record]] = defaultdict(list)
    for record, result, _ in outcomes:
        by_step[result or Step(Status.PENDING)].append(record)
        if result is None:
            gone.append(record)
        elif record.event is Event.ACCEPT:
            sent.append(record)
        else:
            others.append((record, result))
    tally = Tally()
    unconfirmed = [item.record for item in outcomes if not item.is_confirmed]
    missed = [record.message_id for record in unconfirmed if record.event is Event.MISS]
    known = [record.message_id for record in unconfirmed if record.event in _NOT_REACHED]
    await hold_told(tx, [*missed, *known])
    await may_have_reached(tx, missed)
    for result, records in by_step.items():
        _count(tally, records, result)
    for record in gone:
        tally.add(record.mailing_id, "pending", -1)
    for record, result, _ in outcomes:
        _count_cost(tally, record, result)
    _hear(outcomes, tally)
    await _store_sent(tx, sent, owner)
    await _store_others(tx, others)
    if gone:
        ids = tx.dialect.list_arg(record.message_id for record in gone)
        await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", ids)
    await not_reached(tx, known, tally)
    if tx.wanted:
        await tell_messages(tx, [item.record.message_id for item in outcomes])
    await tally.write(tx)


def _count_cost(tally: Tally, record: Record, result: Step | None) -> None:
    if (cost := _cost_of(record, result)) is not None:
        tally.add(record.mailing_id, "cost", cost - record.charge.reserved)


def _cost_of(record: Record, result: Step | None) -> int | None:
    return _new_cost(record.charge, record.event, result, record.cost)


def _new_cost(charge: Charge, event: Event, result: Step | None, taken: int | None) -> int | None:
    """What the message costs from now on; ``None``: what it has cost. ``taken``: by the provider."""
    if not charge.reserved:
        return None
    cost = settled(charge, event, result, taken or 0)
    return None if cost == charge.reserved else cost


def _hear(outcomes: Sequence[Outcome], tally: Tally) -> None:
    """Count what receipts have said of messages that are sent now."""
    for record, result, receipt in outcomes:
        if receipt is None or result is None or result.status is not Status.SENT:
            continue
        sent_us = record.finished_us if record.event is Event.ACCEPT else None
        tally.heard(record.mailing_id, None, receipt.delivery, [(receipt.delivery_us, sent_us)], record.finished_us)


def _count(tally: Tally, records: Sequence[Record], result: Step) -> None:
    """Count calls, and what ended without one."""
    tally.calls((record for record in records if record.event is not Event.LACK), result)
    for record in records:
        if record.event is Event.LACK and result.status.is_final:
            tally.move(record.mailing_id, result, record.finished_us, text_version=record.text_version)


_SAID_OF: Final = of_record(
    "message_id", "attempt", "started_us", "finished_us", "http_status",
    "text_version", "rendered", "provider_message_id", "cost", "charge",
)  # fmt: skip
_Alike = tuple[int, int | None, int | None, bool, bool, int | None]
"""Attempt, HTTP status, version of the text, what else ``_sent_columns`` brings, and the cost if it changes."""


def _alike(records: Sequence[Record]) -> Mapping[_Alike, list[tuple[int | str, ...]]]:
    """Rows of accepted ones by what they have in common: nearly all are alike. What goes in once a statement and not
    once a row is cheaper: each field that SQLite takes out of a row's JSON costs a tenth of what it takes to store the
    row."""
    alike: defaultdict[_Alike, list[tuple[int | str, ...]]] = defaultdict(list)
    for said in map(_SAID_OF, records):
        id, attempt, started_us, finished_us, http_status, version, rendered, told, taken, charge = said
        cost = None if charge is FREE else _new_cost(charge, Event.ACCEPT, _ACCEPTED, taken)
        if rendered is None and told is None:
            alike[attempt, http_status, version, False, False, cost].append((id, started_us, finished_us))
        else:
            brought = [value for value in (rendered, told) if value is not None]
            key = attempt, http_status, version, rendered is not None, told is not None, cost
            alike[key].append((id, started_us, finished_us, *brought))
    return alike


async def _store_sent(tx: Tx, records: Sequence[Record], owner: int, condition: str = "") -> int:
    """Store the accepted ones that pass the fence, and a further condition; return how many."""
    alike = _alike(records)
    if len(alike) > 1:
        ids = [record.message_id for record in records]
        await hold(tx, "message", f"message.id {tx.dialect.in_list()} AND message.owner = ?", ids, owner)
    stored = 0
    for (attempt, http_status, text_version, is_personal, has_told, cost), rows in alike.items():
        columns, keep = _sent_columns(is_personal, has_told)
        table, fence = tx.dialect.rows_table(**columns), f"message.attempt = ? AND message.owner = ?{condition}"
        changed = (http_status, text_version, *(() if cost is None else (cost,)))
        brought = (*tx.dialect.rows_args(rows, len(columns)), attempt, owner)
        change = (
            f"UPDATE message SET {set_to(_ACCEPTED)}, owner = NULL, due_us = 0, stale = FALSE,"
            " started_us = r.started_us, finished_us = r.finished_us, http_status = ?, text_version = ?, detail = ''"
            f"{keep}{'' if cost is None else ', cost = ?'}"
        )
        if tx.dialect.is_sqlite:
            stored += await tx.run(f"{change} FROM {table} WHERE message.id = r.id AND {fence}", *changed, *brought)
        else:
            held = _HELD.format(said=", ".join(f"r.{name}" for name in columns), rows=table, fence=fence)
            stored += await tx.run(f"{held}{change} FROM held AS r WHERE message.id = r.id", *brought, *changed)
    return stored


@cache
def _sent_columns(is_personal: bool, has_told: bool) -> tuple[dict[str, str], str]:
    """What a row of accepted ones brings, and what is set by what not all of them bring."""
    columns, keep = dict(_SENT), ""
    if is_personal:
        columns["rendered"] = "text"
        keep += f", rendered = {_KEPT.format(rendered='r.rendered')}"
    if has_told:
        columns["told"] = "text"
        keep += ", provider_message_id = r.told"
    return columns, keep


async def _store_others(tx: Tx, outcomes: list[tuple[Record, Step]]) -> None:
    """What is not accepted. An attempt that did not end its message gets a line of history."""
    if not outcomes:
        return
    await tx.run(
        "UPDATE message SET status = r.status, reason = r.reason, owner = NULL, due_us = r.due_us, stale = FALSE,"
        " unsure = (message.unsure OR r.unsure <> 0), started_us = r.started_us, finished_us = r.finished_us,"
        " http_status = r.http_status, detail = r.detail, attempt = message.attempt - r.uncalled,"
        f" provider_id = {_WHOSE_TURN}, cost = coalesce(r.cost, message.cost), {_KEPT_IF_SENT},"
        " text_version = coalesce(r.text_version, message.text_version),"
        f" rendered = {_KEPT.format(rendered='coalesce(r.rendered, message.rendered)')}"
        f" FROM {tx.dialect.rows_table(**_OUTCOME)} WHERE message.id = r.id",
        *tx.dialect.rows_args([_outcome_row(record, result) for record, result in outcomes], len(_OUTCOME)),
    )
    history = [
        _attempt_row(record)
        for record, result in outcomes
        if record.event is not Event.LACK and (result.status is not Status.NOT_SENT or record.event is Event.DEFER)
    ]
    if history:
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail, provider_id)"
            " SELECT id, number, lost <> 0, started_us, finished_us, http_status, detail, provider_id"
            f" FROM {tx.dialect.rows_table(**_ATTEMPT)}",
            *tx.dialect.rows_args(history, len(_ATTEMPT)),
        )


def _outcome_row(record: Record, result: Step) -> tuple[int | str | None, ...]:
    final, is_sent = result.status.is_final, result.status is Status.SENT
    return (
        record.message_id,
        int(result.status),
        None if result.reason is None else int(result.reason),
        int(result.unsure),
        0 if final else record.due_us,
        record.started_us if final else None,
        record.finished_us if final else None,
        None if is_sent else record.http_status,
        "" if is_sent else _storable(record.detail),
        record.text_version,
        record.rendered,
        int(record.event is Event.LACK),
        record.next_provider,
        int(record.event is Event.DEFER and not final),
        _cost_of(record, result),
    )


def _attempt_row(record: Record) -> tuple[int | str | None, ...]:
    return (
        record.message_id,
        record.attempt,
        int(record.event is Event.MISS),
        record.started_us,
        record.finished_us,
        record.http_status,
        _storable(record.detail),
        record.provider_id,
    )


def _storable(detail: str) -> str:
    """Make a provider's words fit to be stored. They may hold what a database or UTF-8 can't (U+0000, half a surrogate
    pair), be long, or name the number, which must not outlive its client."""
    return mask_text(detail)[:_DETAIL_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
