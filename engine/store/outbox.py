"""What has happened, written in the transaction that makes it true.

A row of ``outbox`` has no place among the events yet. On PostgreSQL ids are given before the commit, so a reader who
has seen one may see a lower one later. ``EventVerbs.publish`` moves rows on, one mover at a time: ids of ``event`` come
in the order in which everybody sees them. An insert waits for nobody, so it has no place in the order of locks.

Events of messages are written only where somebody wants them (``Tx.wanted``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from engine.domain.events import MESSAGES_MAX, EventKind, Happening
from engine.domain.message import Reason, Status
from engine.domain.receipt import Delivery
from engine.domain.suppression import SuppressionInput
from engine.domain.time_text import format_rfc3339
from engine.store.database import Tx

_OUTBOX: Final = {"kind": "text", "stream": "int", "time_us": "int", "data": "text"}
SUPPRESSION_ID: Final = "suppression_id"
"""In the data of an opt-out: whose number is shown as long as it is on the stop list. No event has a number in it,
which must not outlive its client."""


class _Told(NamedTuple):
    """A message of which others are told."""

    id: int
    mailing_id: int
    client_id: int | None
    status: int
    reason: int | None
    finished_us: int | None
    delivery: int | None
    delivery_us: int | None
    delivery_code: str | None

    def ends(self) -> Iterator[tuple[EventKind, int, dict[str, Any]]]:
        """That it is final, if it is, and since when."""
        if self.finished_us is None:
            return
        if self.status == Status.SENT:
            yield EventKind.MESSAGES_SENT, self.finished_us, {}
        elif self.status == Status.NOT_SENT and self.reason is not None:
            yield EventKind.MESSAGES_NOT_SENT, self.finished_us, {"reason": Reason(self.reason).public}

    def arrives(self) -> Iterator[tuple[EventKind, int, dict[str, Any]]]:
        """What its receipt says, where that counts."""
        if self.status == Status.SENT and self.delivery is not None and self.delivery_us is not None:
            is_there = self.delivery == Delivery.DELIVERED
            kind = EventKind.MESSAGES_DELIVERED if is_there else EventKind.MESSAGES_UNDELIVERED
            yield kind, self.delivery_us, {"code": self.delivery_code}


async def add_events(tx: Tx, happenings: Sequence[Happening]) -> None:
    """Write what this transaction makes true."""
    if not happenings:
        return
    rows = [(each.kind.value, each.stream, each.time_us, orjson.dumps(each.data).decode()) for each in happenings]
    columns = ", ".join(_OUTBOX)
    await tx.run(
        f"INSERT INTO outbox ({columns}) SELECT {columns} FROM {tx.dialect.rows_table(**_OUTBOX)}",
        *tx.dialect.rows_args(rows, len(_OUTBOX)),
    )


async def tell_messages(tx: Tx, ids: Collection[int]) -> None:
    """Tell of these messages, which this transaction has changed: those that are final now, and what receipts said of
    them before."""
    if tx.wanted and ids:
        rows = await _told(tx, ids)
        await _tell(tx, [(row, said) for row in rows for said in (*row.ends(), *row.arrives())])


async def tell_receipts(tx: Tx, ids: Collection[int]) -> None:
    """Tell what the receipts say that this transaction has kept."""
    if tx.wanted and ids:
        await _tell(tx, [(row, said) for row in await _told(tx, ids) for said in row.arrives()])


async def tell_opt_out(tx: Tx, entry: SuppressionInput, client_ids: Sequence[int], now_us: int) -> None:
    """Tell that the owner of a number wants no texts; the number is on the stop list."""
    id = await tx.value("SELECT id FROM suppression WHERE phone_number = ?", entry.phone_number)
    data = {SUPPRESSION_ID: id, "client_ids": list(client_ids), "source": entry.source}
    await add_events(tx, [Happening(EventKind.CLIENT_OPTED_OUT, now_us, None, data)])


async def _told(tx: Tx, ids: Collection[int]) -> list[_Told]:
    sql = f"SELECT {', '.join(_Told._fields)} FROM message WHERE id {tx.dialect.in_list()} ORDER BY mailing_id, id"
    return [_Told(*row) for row in await tx.rows(sql, tx.dialect.list_arg(ids))]


async def _tell(tx: Tx, told: Sequence[tuple[_Told, tuple[EventKind, int, dict[str, Any]]]]) -> None:
    """One event for what is alike: all that are sent come before what receipts say of them, as the kinds do."""
    alike: defaultdict[tuple[EventKind, int], list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for row, (kind, time_us, more) in told:
        if kind in tx.wanted:
            shown = {"id": row.id, "client_id": row.client_id, "time": format_rfc3339(time_us), **more}
            alike[kind, row.mailing_id].append((time_us, shown))
    kinds = list(EventKind)
    happenings = []
    for (kind, mailing_id), messages in sorted(alike.items(), key=lambda each: (kinds.index(each[0][0]), each[0][1])):
        for begin in range(0, len(messages), MESSAGES_MAX):
            some = messages[begin : begin + MESSAGES_MAX]
            data = {"mailing_id": mailing_id, "messages": [shown for _, shown in some]}
            happenings.append(Happening(kind, max(time_us for time_us, _ in some), mailing_id, data))
    await add_events(tx, happenings)
