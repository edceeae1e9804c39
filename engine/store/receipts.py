"""What providers say later of texts that they took: one transaction for many receipts (docs/behaviour.md, section 13).

The rows are locked in the order of their ids before anything is decided, as an outcome's are. So a receipt and an
outcome of the same message come one after the other, in either order, with the same result. Engines that have a message
which the provider took before are told, as they are of changed clients (docs/decisions/receipts.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from common.logs import mask_text
from engine.domain.message import Status
from engine.domain.receipt import Delivery, Effect, Receipt, Standing, is_called_in_vain, weigh
from engine.domain.routing import FBRQ_ID
from engine.store.cancelled import put_off_cancels, settle
from engine.store.confirming import Heard, confirm
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_waiting
from engine.store.mailing_rows import HIDDEN
from engine.store.outbox import tell_receipts
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import RequestKey
from engine.store.verbs import Verbs, transaction

RECEIPTS_MAX: Final = 1_000
"""In one transaction: some 20 ms on SQLite, for which an outcome may have to wait."""
_COLUMNS: Final = (
    "id",
    "mailing_id",
    "client_id",
    "status",
    "attempt",
    "delivery",
    "delivery_us",
    "finished_us",
    "text_version",
)
_NAMED: Final = {"place": "int", "name": "text", "provider": "text"}
_SPOKEN_FOR: Final = {"place": "int", "id": "int", "provider": "text"}
_WAS_GIVEN: Final = (
    f"(coalesce(m.provider_id, {FBRQ_ID}) = p.id AND (m.unsure OR NOT ({is_waiting('m')}))"
    f" OR p.id IN (SELECT coalesce(a.provider_id, {FBRQ_ID}) FROM attempt AS a WHERE a.message_id = m.id))"
)
"""The message ``m`` was given to the provider ``p``. One that waits and may go to any provider names whose turn is
next, who may know nothing of it."""
_HEARD: Final = {"id": "int", "delivery": "int", "delivery_us": "int", "code": "text", "detail": "text"}
_STATUSES: Final = {int(status): status for status in Status}
"""By their numbers: 0.03 us, where Python 3.11 takes 0.32 us for ``Status(3)``."""
_PENDING, _SENT = Status.PENDING, Status.SENT
_COUNTS: Final = (Effect.KEPT, Effect.CONFIRMS)
"""Members of enums are found here once: to find one takes Python 3.11 0.09 us."""


class Recorded(NamedTuple):
    """What receipts have done."""

    effects: tuple[Effect, ...]
    """Of each receipt."""
    client_ids: tuple[int, ...]
    """Clients whose message an engine has taken although it need not be called any more."""


class _Row(NamedTuple):
    """A message that receipts are about, as it was before them."""

    id: int
    mailing_id: int
    client_id: int | None
    status: int
    attempt: int
    delivery: int | None
    delivery_us: int | None
    finished_us: int | None
    text_version: int | None

    @property
    def standing(self) -> Standing:
        return Standing(_STATUSES[self.status], self.attempt, self.delivery_us)


class _Weighed(NamedTuple):
    """What receipts do, before it is stored."""

    effects: tuple[Effect, ...]
    latest: dict[int, Receipt]
    """The receipt that counts, of each message for which something changes."""
    standing: dict[int, Standing]
    """Each message that they are about, after them."""


class ReceiptVerbs(Verbs):
    """What the API hands over."""

    @transaction(Lane.API)
    async def record_receipts(
        self, tx: Tx, receipts: Sequence[Receipt], *, now_us: int, request: RequestKey | None = None
    ) -> Recorded:
        """Store up to ``RECEIPTS_MAX`` receipts, with what follows: counters, statistics, and messages that are sent by
        them. A receipt that is repeated changes nothing.

        Raises:
            Conflict: the request id was used for another request.
        """
        answer, tally = await first_answer(tx, request), Tally()
        ids = await _ids(tx, receipts)
        rows = await _rows(tx, ids, tally)
        ids = await _given(tx, receipts, ids)
        weighed = _weighed(receipts, ids, rows) if answer is None else _stored(answer, rows)
        if answer is None and request is not None:
            await keep_answer(tx, request, [effect.name for effect in weighed.effects], now_us)
        return Recorded(weighed.effects, tuple(await self._hear(tx, weighed, rows, tally, now_us)))

    async def _hear(self, tx: Tx, weighed: _Weighed, rows: dict[int, _Row], tally: Tally, now_us: int) -> list[int]:
        """Store what counts, with what follows. Returns whose messages an engine need not call any more.

        Those of repeats too: the answer to a first try may be lost before the engine knows of it."""
        waiting: dict[int, tuple[int, Heard]] = {}
        alike: defaultdict[tuple[int, int | None, Delivery], list[tuple[int, int | None]]] = defaultdict(list)
        for id, receipt in weighed.latest.items():
            row = rows[id]
            if row.status == _SENT:
                alike[row.mailing_id, row.delivery, receipt.delivery].append((receipt.time_us, row.finished_us))
            elif row.status == _PENDING:
                heard = Heard(receipt.delivery, receipt.time_us, row.text_version)
                waiting[id] = row.mailing_id, heard
        for (mailing_id, was, said), times_us in alike.items():
            tally.heard(mailing_id, None if was is None else Delivery(was), said, times_us, now_us)
        await confirm(tx, waiting, now_us, tally)
        await _keep(tx, weighed.latest, now_us)
        await tell_receipts(tx, weighed.latest)
        in_vain = [
            client_id
            for id, standing in weighed.standing.items()
            if (client_id := rows[id].client_id) is not None and is_called_in_vain(standing)
        ]
        elsewhere = await claimed_elsewhere(self, tx, in_vain) if in_vain else False
        await tally.write(tx)
        await tell_owners(self, tx, elsewhere)
        return in_vain


def _stored(answer: Sequence[str], rows: dict[int, _Row]) -> _Weighed:
    """A request that is repeated: it does what its answer says, and has been stored."""
    return _Weighed(tuple(Effect[name] for name in answer), {}, {id: row.standing for id, row in rows.items()})


def _weighed(receipts: Sequence[Receipt], ids: Sequence[int | None], rows: dict[int, _Row]) -> _Weighed:
    """What each receipt does, one after the other."""
    standing = {id: row.standing for id, row in rows.items()}
    effects: list[Effect] = []
    latest: dict[int, Receipt] = {}
    for receipt, id in zip(receipts, ids, strict=True):
        now = None if id is None else standing.get(id)
        effect = weigh(now, receipt.time_us)
        effects.append(effect)
        if id is not None and now is not None and effect in _COUNTS:
            latest[id] = receipt
            status = _SENT if now.status is _PENDING else now.status
            standing[id] = Standing(status, now.attempt, receipt.time_us)
    return _Weighed(tuple(effects), latest, standing)


async def _ids(tx: Tx, receipts: Sequence[Receipt]) -> list[int | None]:
    """The id of each receipt's message; ``None``: no message has that name at its provider. Of two that do the newer
    one is meant: a provider that begins to count anew means what it was given last."""
    ids = [receipt.message_id for receipt in receipts]
    named = [
        (place, receipt.provider_message_id, receipt.provider)
        for place, receipt in enumerate(receipts)
        if receipt.message_id is None
    ]
    if not named:
        return ids
    found = await tx.rows(
        f"SELECT r.place, max(m.id) FROM {tx.dialect.rows_table(**_NAMED)}"
        " JOIN message AS m ON m.provider_message_id = r.name AND m.provider_message_id IS NOT NULL"
        f" LEFT JOIN provider AS p ON p.id = coalesce(m.provider_id, {FBRQ_ID})"
        " WHERE r.provider IS NULL OR p.name = r.provider GROUP BY r.place",
        *tx.dialect.rows_args(named, len(_NAMED)),
    )
    for place, id in found:
        ids[place] = id
    return ids


async def _given(tx: Tx, receipts: Sequence[Receipt], ids: Sequence[int | None]) -> list[int | None]:
    """These ids of locked messages without those that a receipt has no say in: its provider was never given them."""
    claimed = [
        (place, id, receipt.provider)
        for place, (receipt, id) in enumerate(zip(receipts, ids, strict=True))
        if id is not None and receipt.provider is not None
    ]
    if not claimed:
        return list(ids)
    found = await tx.rows(
        f"SELECT r.place FROM {tx.dialect.rows_table(**_SPOKEN_FOR)} JOIN message AS m ON m.id = r.id"
        f" JOIN provider AS p ON p.name = r.provider WHERE {_WAS_GIVEN}",
        *tx.dialect.rows_args(claimed, len(_SPOKEN_FOR)),
    )
    strange = {place for place, _, _ in claimed} - {place for (place,) in found}
    return [None if place in strange else id for place, id in enumerate(ids)]


async def _rows(tx: Tx, ids: Sequence[int | None], tally: Tally) -> dict[int, _Row]:
    """The messages, locked in the order of their ids; of mailings that are being removed nobody is told. Those that
    ended with a cancel have ended in their rows then."""
    wanted = sorted({id for id in ids if id is not None})
    found = await tx.table(
        ", ".join(_COLUMNS),
        f"SELECT {', '.join(f'm.{name} AS {name}' for name in _COLUMNS)} FROM message AS m"
        f" WHERE m.id {tx.dialect.in_list()} AND m.mailing_id NOT IN ({HIDDEN})"
        f" ORDER BY m.id {tx.dialect.lock('m')}",
        tx.dialect.list_arg(wanted),
    )
    rows = {row.id: row for row in map(_Row._make, found)}
    waiting = [row.id for row in rows.values() if row.status == _PENDING and row.attempt]
    await put_off_cancels(tx, waiting)
    ended = await settle(tx, waiting, tally)
    return rows | {id: rows[id]._replace(status=int(Status.NOT_SENT)) for id in ended}


async def _keep(tx: Tx, latest: dict[int, Receipt], now_us: int) -> None:
    if not latest:
        return
    rows = [
        (id, receipt.delivery, receipt.time_us, receipt.code, _storable(receipt.detail))
        for id, receipt in sorted(latest.items())
    ]
    await tx.run(
        "UPDATE message SET delivery = r.delivery, delivery_us = r.delivery_us, delivery_code = r.code,"
        " delivery_detail = r.detail, heard_us = ?"
        f" FROM {tx.dialect.rows_table(**_HEARD)} WHERE message.id = r.id",
        now_us,
        *tx.dialect.rows_args(rows, len(_HEARD)),
    )


def _storable(detail: str | None) -> str | None:
    """It may name the number, which must not outlive its client."""
    return None if detail is None else mask_text(detail)
