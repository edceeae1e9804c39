"""Phone numbers that got a mailing's text, or might have, and are no client's any more (docs/behaviour.md, rule 1).

A row is made when a client is deleted or gets another number, in that transaction, for each open mailing. While it is
there no message of that mailing is made for a client with the number. The number itself is not kept:
docs/decisions/told-numbers.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from engine.domain.message import Reason, Status
from engine.store.database import Row, Tx
from engine.store.errors import StoreUnavailable
from engine.store.lifecycle import is_not_final
from engine.store.schema import NO_CONTROL
from engine.store.verbs import hold

_HASH_BYTES: Final = 8
_OPEN: Final = "SELECT id FROM mailing WHERE end_us > ? AND cancelled_us IS NULL AND deleted_us IS NULL"
_ROW: Final = {"mailing_id": "int", "phone_hash": "int", "message_id": "int", "stage": "int"}
_NO_MESSAGE: Final = 0
"""In place of a message's id: nothing was sent, the number is to be left out all the same."""
_PAIR: Final = {"mailing_id": "int", "phone_hash": "int", "client_id": "int"}


_SAME: Final = "told.mailing_id = r.mailing_id AND told.phone_hash = r.phone_hash"


class Stage(IntEnum):
    """What is known of the call to the number. Stored in the database: never renumber."""

    IN_HAND = 0
    """An engine has the message: its outcome decides, and the row goes when nothing can have reached the number."""
    MAYBE = 1
    """A call may have reached the number. The message goes on, perhaps to its client's other number."""
    FINAL = 2
    """The message had ended when its client left the number: no other number was called for it later."""


def stage_of(status: Status, reason: Reason | None, *, unsure: bool) -> Stage | None:
    """What a message says of its client's number; ``None``: nothing of it can have reached the number."""
    if status is Status.SENT or reason is Reason.UNCERTAIN:
        return Stage.FINAL
    if unsure:
        return Stage.FINAL if status.is_final else Stage.MAYBE
    return Stage.IN_HAND if status.is_taken else None


async def leave(tx: Tx, phones: Mapping[int, int], now_us: int) -> list[Row]:
    """Remember the numbers that these clients (number by id) leave, by being deleted or by getting another one.

    Returns:
        Their messages that are not final: id, mailing, client, status, stale. All of theirs are locked.
    """
    open_ids = {row[0] for row in await tx.rows(_OPEN, now_us)}
    # Whatever status and mailing are: on PostgreSQL the status may become another one while this waits for the row, and
    # when a client is deleted its history is changed too.
    messages = await tx.rows(
        f"SELECT id, mailing_id, client_id, status, stale, reason, unsure FROM message"
        f" WHERE client_id {tx.dialect.in_list()} ORDER BY id {tx.dialect.lock()}",
        tx.dialect.list_arg(phones),
    )
    await _remember(tx, phones, [row for row in messages if row[1] in open_ids])
    return [row[:5] for row in messages if not Status(row[3]).is_final]


async def _remember(tx: Tx, phones: Mapping[int, int], messages: Sequence[Row]) -> None:
    told: dict[int, tuple[int, int, Stage]] = {}
    for id, mailing_id, client_id, status, _, reason, unsure in messages:
        stage = stage_of(Status(status), None if reason is None else Reason(reason), unsure=bool(unsure))
        if stage is not None:
            told[id] = (mailing_id, client_id, stage)
    if not told:
        return
    elsewhere = await tx.rows(
        f"SELECT message_id FROM told WHERE stage <> {int(Stage.MAYBE)} AND message_id {tx.dialect.in_list()}",
        tx.dialect.list_arg(told),
    )
    for (id,) in elsewhere:  # its text went, or is on its way, to a number that the client had before
        told.pop(id, None)
    await _insert(
        tx, [(mailing_id, phones[client_id], id, stage) for id, (mailing_id, client_id, stage) in told.items()]
    )


async def _insert(tx: Tx, told: Sequence[tuple[int, int, int, Stage]]) -> None:
    """Mailing, number, message, stage."""
    if not told:
        return
    key = await _key(tx)
    rows = sorted((mailing_id, _hash(key, mailing_id, phone), id, int(stage)) for mailing_id, phone, id, stage in told)
    await tx.run(
        "INSERT INTO told (mailing_id, phone_hash, message_id, stage) SELECT mailing_id, phone_hash, message_id, stage"
        f" FROM {tx.dialect.rows_table(**_ROW)} WHERE TRUE ON CONFLICT (mailing_id, phone_hash, message_id) DO NOTHING",
        *tx.dialect.rows_args(rows, len(_ROW)),
    )


async def come_back(tx: Tx, client_id: int, phone_number: int) -> None:
    """A client gets a number that it had before. Its own messages speak for the number again, so what was remembered
    of them goes. What ended messages have told stays told: they are never called again."""
    mine = await tx.rows(
        "SELECT t.id, t.mailing_id, t.phone_hash FROM message AS m JOIN told AS t ON t.message_id = m.id"
        f" WHERE m.client_id = ? AND {is_not_final('m')}",
        client_id,
    )
    if mine:
        key = await _key(tx)
        own = [id for id, mailing_id, hashed in mine if hashed == _hash(key, mailing_id, phone_number)]
        those, ids = f"told.id {tx.dialect.in_list()}", tx.dialect.list_arg(own)
        await hold(tx, "told", those, ids)
        await tx.run(f"DELETE FROM told WHERE {those}", ids)


async def left_out(
    tx: Tx, pairs: Iterable[tuple[int, int]], phones: Mapping[int, int], now_us: int
) -> set[tuple[int, int]]:
    """Those of these (mailing, client) that get no message because the client's number has been told.

    Where the outcome of a call decides that later, the client is noted. It gets its message when nothing has reached
    the number."""
    asked = await _asked(tx, pairs, phones)
    if not asked:
        return set()
    args = tx.dialect.rows_args(asked, len(_PAIR))
    # Before the rows are read: this waits for a transaction that is about to remove one of them.
    those = f"(SELECT r.mailing_id, r.phone_hash FROM {tx.dialect.rows_table(**_PAIR)})"
    in_hand = f"told.stage = {int(Stage.IN_HAND)} AND (told.mailing_id, told.phone_hash) IN {those}"
    await hold(tx, "told", in_hand, *args)
    await tx.run(
        "UPDATE told SET waiting_client_id = r.client_id, waiting_us = ?"
        f" FROM {tx.dialect.rows_table(**_PAIR)} WHERE {_SAME} AND told.stage = {int(Stage.IN_HAND)}",
        now_us,
        *args,
    )
    return await _found(tx, asked)


async def would_be_left_out(
    tx: Tx, pairs: Iterable[tuple[int, int]], phones: Mapping[int, int]
) -> set[tuple[int, int]]:
    """As ``left_out``, but nothing is noted."""
    asked = await _asked(tx, pairs, phones)
    return await _found(tx, asked) if asked else set()


async def _asked(tx: Tx, pairs: Iterable[tuple[int, int]], phones: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """Mailing, hash and client, of the mailings that have told any number."""
    wanted = list(pairs)
    mailings = await tx.rows(
        f"SELECT id FROM mailing WHERE id {tx.dialect.in_list()}"
        " AND EXISTS (SELECT 1 FROM told WHERE told.mailing_id = mailing.id)",
        tx.dialect.list_arg({mailing_id for mailing_id, _ in wanted}),
    )
    if not mailings:
        return []
    telling, key = {row[0] for row in mailings}, await _key(tx)
    return sorted((m, _hash(key, m, phones[c]), c) for m, c in wanted if m in telling)


async def _found(tx: Tx, asked: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
    found = await tx.rows(
        f"SELECT DISTINCT r.mailing_id, r.client_id FROM {tx.dialect.rows_table(**_PAIR)} JOIN told ON {_SAME}",
        *tx.dialect.rows_args(asked, len(_PAIR)),
    )
    return {(mailing_id, client_id) for mailing_id, client_id in found}


async def leave_out(tx: Tx, pairs: Iterable[tuple[int, int]]) -> None:
    """Let no message of these (mailing, client) be made for the client's number, as if it had been told."""
    wanted = list(pairs)
    rows = await tx.rows(
        f"SELECT id, phone_number FROM client WHERE id {tx.dialect.in_list()}",
        tx.dialect.list_arg({client_id for _, client_id in wanted}),
    )
    phones = {row[0]: row[1] for row in rows}
    await _insert(tx, [(m, phones[c], _NO_MESSAGE, Stage.FINAL) for m, c in wanted])


async def hold_told(tx: Tx, message_ids: Iterable[int]) -> None:
    """Lock what the outcomes of these messages decide, in order and all at once: before ``may_have_reached`` and
    ``untold``, which look at some of them each."""
    if ids := list(message_ids):
        await hold(tx, "told", f"stage = {int(Stage.IN_HAND)} AND message_id {tx.dialect.in_list()}", ids)


async def may_have_reached(tx: Tx, message_ids: Iterable[int]) -> None:
    """Nobody knows whether the calls of these messages have reached the number."""
    ids = list(message_ids)
    if ids:
        await tx.run(
            f"UPDATE told SET stage = {int(Stage.MAYBE)}, waiting_client_id = NULL, waiting_us = NULL"
            f" WHERE stage = {int(Stage.IN_HAND)} AND message_id {tx.dialect.in_list()}",
            tx.dialect.list_arg(ids),
        )


async def untold(tx: Tx, message_ids: Sequence[int]) -> list[Row]:
    """Forget these messages, which were in hand: nothing of them has reached the number. Returns the clients that
    waited for that: mailing, client, and since when."""
    rows = await tx.rows(
        f"DELETE FROM told WHERE stage = {int(Stage.IN_HAND)} AND message_id {tx.dialect.in_list()}"
        " RETURNING mailing_id, waiting_client_id, waiting_us",
        tx.dialect.list_arg(message_ids),
    )
    return [row for row in rows if row[1] is not None]


async def forget_mailing(tx: Tx, mailing_id: int) -> None:
    """A mailing is over: what its messages have told is of no use any more. Rows that another transaction has are left
    for housekeeping, because this one has the mailing."""
    rows = f"SELECT id FROM told WHERE mailing_id = ? {tx.dialect.lock(skip=True)}"
    await tx.run(f"DELETE FROM told WHERE id IN ({rows})", mailing_id)


async def _key(tx: Tx) -> bytes:
    key = await tx.value("SELECT number_key FROM control")
    if key is None:
        raise StoreUnavailable(NO_CONTROL)
    return bytes.fromhex(key)


def _hash(key: bytes, mailing_id: int, phone_number: int) -> int:
    digest = hmac.digest(key, f"{mailing_id}:{phone_number}".encode(), "sha256")
    return int.from_bytes(digest[:_HASH_BYTES], "big", signed=True)
