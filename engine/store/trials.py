"""Texts that are sent to be tried: they have ids of messages, and are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from common.error_codes import ErrorCode
from common.logs import masked_phone
from engine.domain.errors import Conflict, NotFound
from engine.person import Person
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import Actor, RequestKey
from engine.store.suppressions import listed_numbers
from engine.store.verbs import Verbs, read, transaction


class Trial(NamedTuple):
    """What it takes to send a text to some numbers."""

    message_ids: tuple[int, ...]
    """One for each number."""
    person: Person | None
    """Whose values the placeholders stand for; ``None``: the request names no client."""
    answer: Any = None
    """What the same request was answered before, as read from JSON: nothing is to be sent."""


class TrialVerbs(Verbs):
    """A verb for TestMailing."""

    @transaction(Lane.API)
    async def begin_trial(
        self,
        tx: Tx,
        text: str,
        phone_numbers: Sequence[int],
        client_id: int | None,
        *,
        by: Actor,
        now_us: int,
        request: RequestKey | None = None,
        answer: object = None,
    ) -> Trial:
        """Note that somebody sends a text to try it, and give out its ids. Such an id is never a message's.

        Args:
            answer: what a repeated request is answered until ``amend_answer``, also when this engine dies before that.

        Raises:
            NotFound: there is no such client.
            Conflict: a number is on the stop list, or the request id was used for another request.
        """
        if (stored := await first_answer(tx, request)) is not None:
            return Trial((), None, stored)
        person = await _reader(tx, phone_numbers, client_id)
        detail = {
            "text": text,
            "phone_numbers": [masked_phone(number) for number in phone_numbers],
            "client_id": client_id,
        }
        ids = await _take_ids(tx, len(phone_numbers))
        await add_audit(tx, by, "mailing.test", "mailing", None, detail, now_us)
        await keep_answer(tx, request, answer, now_us)
        return Trial(ids, person)

    @read(Lane.API)
    async def check_trial(self, tx: Tx, phone_numbers: Sequence[int], client_id: int | None) -> Person | None:
        """Whose values the placeholders of a text would stand for; stores nothing.

        Raises:
            NotFound: there is no such client.
            Conflict: a number is on the stop list.
        """
        return await _reader(tx, phone_numbers, client_id)


async def _reader(tx: Tx, phone_numbers: Sequence[int], client_id: int | None) -> Person | None:
    """Whose values the placeholders stand for. Raises NotFound and Conflict: see ``begin_trial``."""
    person = None if client_id is None else await _person(tx, client_id)
    listed = await listed_numbers(tx, phone_numbers)
    for place, number in enumerate(phone_numbers):
        if number in listed:
            raise Conflict(ErrorCode.SUPPRESSED.format(), field=f"phone_numbers[{place}]")
    return person


async def _person(tx: Tx, client_id: int) -> Person:
    row = await tx.row("SELECT attributes, tag, phone_number FROM client WHERE id = ?", client_id)
    if row is None:
        raise NotFound("client", client_id)
    return Person(*row)


async def _take_ids(tx: Tx, number: int) -> tuple[int, ...]:
    """Ids of messages that no message will have."""
    if not tx.dialect.is_sqlite:
        sql = "SELECT nextval(pg_get_serial_sequence('message', 'id')) FROM generate_series(1, ?::bigint)"
        return tuple(row[0] for row in await tx.rows(sql, number))
    # Where AUTOINCREMENT keeps its count, which has a row from the first message on.
    last = await tx.value("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'message' RETURNING seq", number)
    if last is None:
        await tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('message', ?)", number)
        last = number
    return tuple(range(last - number + 1, last + 1))
