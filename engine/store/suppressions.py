"""The stop list: putting numbers on it and taking them off, with what follows for messages.

A change of the list is a change of the clients that have the numbers: their messages follow in the same transaction,
and engines that have claims of them are told (docs/decisions/changed-clients.md). It holds the lock of clients alone:
nobody makes messages or gives a client another number meanwhile, so no message of a listed number can be pending.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from common.error_codes import NOTHING
from common.logs import masked_phone
from engine.domain.errors import NotFound
from engine.domain.suppression import SuppressionInput, SuppressionReason
from engine.domain.time_text import format_rfc3339
from engine.store.audit import add_audit, count_audit
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.followers import follow_clients
from engine.store.outbox import tell_opt_out
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.paging import SKIP_SHORT_MAX, PageQuery, forward, read_page, trimmed
from engine.store.requests import first_answer, keep_answer
from engine.store.row_of import RowOf
from engine.store.rows import Actor, Page, PageOf, RequestKey
from engine.store.searching import contains_text, pattern_of
from engine.store.suppression_rows import SuppressionQuery, SuppressionRow
from engine.store.verbs import Verbs, lock_clients, look_up, read, transaction

SUPPRESSION: Final = RowOf(SuppressionRow)
_INPUT: Final = RowOf(SuppressionInput)
_KINDS: Final = {"phone_number": "int", "reason": "int", "note": "text", "source": "text"}


class Suppressed(NamedTuple):
    """What putting a number on the list has done."""

    row: SuppressionRow
    """The entry: the first one, when the number was on the list already."""
    is_new: bool
    client_ids: tuple[int, ...]
    """Clients with the number, when it is new on the list."""


class Received(NamedTuple):
    """What a stop word that somebody has sent has done."""

    answer: Any
    """As read from JSON: the first one, when the request is repeated."""
    client_ids: tuple[int, ...]
    """Clients with the number, when it is new on the list."""


class SuppressedMany(NamedTuple):
    """What an import of one batch has done."""

    created: int
    client_ids: tuple[int, ...]
    """Clients with the numbers that are new on the list."""
    event_id: int | None
    """The audit list's entry; ``None``: none of the batches so far has changed anything."""


class SuppressionVerbs(Verbs):
    """What the API asks about the stop list. ``now_us``: the time; ``by``: who asks, for the audit list."""

    @transaction(Lane.API)
    async def add_suppression(
        self,
        tx: Tx,
        entry: SuppressionInput,
        *,
        by: Actor,
        now_us: int,
        request: RequestKey | None = None,
    ) -> Suppressed:
        """Put a number on the list; one that is on it stays as it is.

        Raises:
            Conflict: the request id was used for another request.
        """
        await _alone(tx)
        if (answer := await first_answer(tx, request)) is not None:
            row = SUPPRESSION.answered({**answer["row"], "phone_number": entry.phone_number})
            return Suppressed(row, bool(answer["is_new"]), ())
        old, made = await _find(tx, entry.phone_number), _Change(self, tx, by, now_us)
        is_new = old is None
        if is_new:
            await made.add_one(entry)
        row = old or await _get(tx, entry.phone_number)
        await keep_answer(tx, request, {"row": _without_number(row), "is_new": is_new}, now_us)
        await made.finish()
        return Suppressed(row, is_new, tuple(made.client_ids))

    @transaction(Lane.API)
    async def receive_stop_word(
        self,
        tx: Tx,
        entry: SuppressionInput,
        *,
        by: Actor,
        now_us: int,
        sent_us: int | None,
        request: RequestKey | None,
        answer: object,
    ) -> Received:
        """Put a number on the list because its owner has asked for it; one that is on it stays as it is.

        Args:
            sent_us: when the owner has asked for it, for the audit list.
            answer: what the caller is told, and is told again when the request is repeated; it has no number in it.

        Raises:
            Conflict: the request id was used for another request.
        """
        await _alone(tx)
        if (first := await first_answer(tx, request)) is not None:
            return Received(first, ())
        made = _Change(self, tx, by, now_us)
        if await _find(tx, entry.phone_number) is None:
            await made.add_one(entry, {} if sent_us is None else {"sent_time": format_rfc3339(sent_us)})
        await keep_answer(tx, request, answer, now_us)
        await made.finish()
        return Received(answer, tuple(made.client_ids))

    @read(Lane.API)
    async def would_add_suppression(self, tx: Tx, entry: SuppressionInput, *, now_us: int) -> Suppressed:
        """What ``add_suppression`` would do, with the id 0; stores nothing."""
        old = await _find(tx, entry.phone_number)
        return Suppressed(old or SuppressionRow(0, **asdict(entry), create_us=now_us), old is None, ())

    @transaction(Lane.API)
    async def import_suppressions(
        self, tx: Tx, entries: Sequence[SuppressionInput], *, by: Actor, now_us: int, event_id: int | None = None
    ) -> SuppressedMany:
        """Put many numbers on the list, a thousand at most; those that are on it stay as they are. Of two entries with
        one number the first one counts. ``event_id``: the audit list's entry of earlier batches of this import."""
        await _alone(tx)
        first = {entry.phone_number: entry for entry in reversed(entries)}
        listed = await listed_numbers(tx, first)
        new = [first[phone] for phone in sorted(first) if phone not in listed]
        made = _Change(self, tx, by, now_us)
        if new:
            await made.add(new)
        if new or event_id is not None:
            counts = {"created": len(new), "unchanged": len(entries) - len(new)}
            event_id = await count_audit(tx, event_id, by, "suppression.import", counts, now_us)
        await made.finish()
        return SuppressedMany(len(new), tuple(made.client_ids), event_id)

    async def delete_suppression(self, phone_number: int, *, by: Actor, now_us: int) -> tuple[int, ...]:
        """Take a number off the list: open mailings reach it again, but those that have a final message for it.

        Returns:
            The clients that have the number.

        Raises:
            NotFound: the number is not on the list.
        """
        client_ids = await self._delete_suppression(phone_number, by, now_us)
        self.on_number_gone()
        return client_ids

    @transaction(Lane.API)
    async def _delete_suppression(self, tx: Tx, phone_number: int, by: Actor, now_us: int) -> tuple[int, ...]:
        await _alone(tx)
        if not await tx.run("DELETE FROM suppression WHERE phone_number = ?", phone_number):
            raise NotFound("suppression", masked_phone(phone_number))
        made = _Change(self, tx, by, now_us)
        await made.follow([phone_number])
        await made.note("remove", {"phone_number": masked_phone(phone_number)})
        await made.finish()
        return tuple(made.client_ids)

    # -- reading -----------------------------------------------------------------------------------
    async def list_suppressions(self, query: SuppressionQuery, page: Page) -> PageOf[SuppressionRow]:
        """Entries, the newest first unless the page says otherwise."""
        lane = Lane.LONG if is_long_suppression_list(query, page) else Lane.API
        return await self._db.read(lambda tx: _list(tx, query, page), lane)

    async def export_suppressions(
        self, query: SuppressionQuery, page_size: int = 1000
    ) -> AsyncIterator[tuple[SuppressionRow, ...]]:
        """All entries in the order in which they came, in pages; each page is read when it is asked for."""
        page: Page | None = Page(page_size)
        while page is not None:
            items, more = await self._exported_suppressions(query, page)
            if items:
                yield tuple(items)
            page = Page(page_size, items[-1].id) if more else None

    @read(Lane.API)
    async def _exported_suppressions(
        self, tx: Tx, query: SuppressionQuery, page: Page
    ) -> tuple[Sequence[SuppressionRow], bool]:
        condition, args = _restrictions(tx, query)
        ahead = forward(page)
        sql = f"SELECT {SUPPRESSION.sql} FROM suppression {ahead.sql(condition)}"
        rows = await tx.table(SUPPRESSION.sql, sql, *args, *ahead.args)
        return trimmed(page, [SUPPRESSION.read(row) for row in rows])

    @look_up(Lane.API)
    async def listed(self, tx: Tx, phone_numbers: Collection[int]) -> set[int]:
        """Those of these numbers, a few, that are on the list."""
        return await listed_numbers(tx, phone_numbers)


class _Change:
    """A change of the list, in a transaction that holds the lock of clients alone."""

    def __init__(self, verbs: Verbs, tx: Tx, by: Actor, now_us: int) -> None:
        self._verbs, self._tx, self._by, self._now_us, self._tally = verbs, tx, by, now_us, Tally()
        self.client_ids: list[int] = []

    async def add(self, entries: Sequence[SuppressionInput]) -> None:
        """Store entries of numbers that are not on the list, and let messages follow."""
        await insert_suppressions(self._tx, entries, self._now_us)
        await self.follow([entry.phone_number for entry in entries])

    async def add_one(self, entry: SuppressionInput, more: Mapping[str, object] = NOTHING) -> None:
        """Store an entry of a number that is not on the list, and note it in the audit list, with ``more``. Others are
        told that its owner has opted out; of an import they are not, for whoever imports a list has it."""
        await self.add([entry])
        if entry.reason is SuppressionReason.OPT_OUT:
            await tell_opt_out(self._tx, entry, self.client_ids, self._now_us)
        shown = {"reason": entry.reason.name.lower(), "source": entry.source, **more}
        await self.note("add", {"phone_number": masked_phone(entry.phone_number), **shown})

    async def follow(self, phone_numbers: Sequence[int]) -> None:
        """Bring the messages of the clients with these numbers in line with the list."""
        tx = self._tx
        sql = f"SELECT id FROM client WHERE phone_number {tx.dialect.in_list()} ORDER BY id"
        self.client_ids = [row[0] for row in await tx.rows(sql, tx.dialect.list_arg(phone_numbers))]
        await follow_clients(tx, self._now_us, self._tally, changed=self.client_ids)

    async def note(self, action: str, detail: Mapping[str, object]) -> None:
        """Add to the audit list."""
        await add_audit(self._tx, self._by, f"suppression.{action}", "suppression", None, detail, self._now_us)

    async def finish(self) -> None:
        """The last of the transaction."""
        elsewhere = await claimed_elsewhere(self._verbs, self._tx, self.client_ids)
        await self._tally.write(self._tx)
        await tell_owners(self._verbs, self._tx, elsewhere)


def is_long_suppression_list(query: SuppressionQuery, page: Page) -> bool:
    """Whether reading this page is a long question: many rows are looked at for the few that are shown."""
    return page.skip > SKIP_SHORT_MAX or {query.phone_contains, query.reason, query.search} != {None}


async def _alone(tx: Tx) -> None:
    """Keep all away who write clients, or make messages for them, until the transaction ends."""
    await lock_clients(tx, exclusive=True)


async def insert_suppressions(tx: Tx, entries: Sequence[SuppressionInput], now_us: int) -> None:
    """Store entries of numbers that are not on the list. The transaction holds the lock of clients alone."""
    await tx.run(
        f"INSERT INTO suppression ({_INPUT.sql}, create_us) SELECT {_INPUT.sql}, CAST(? AS bigint)"
        f" FROM {tx.dialect.rows_table(**_KINDS)} WHERE TRUE ORDER BY phone_number",
        now_us,
        *tx.dialect.rows_args([_INPUT.write(entry) for entry in entries], len(_KINDS)),
    )


async def listed_numbers(tx: Tx, phone_numbers: Collection[int]) -> set[int]:
    """Those of these numbers that are on the list."""
    sql = f"SELECT phone_number FROM suppression WHERE phone_number {tx.dialect.in_list()}"
    return {row[0] for row in await tx.rows(sql, tx.dialect.list_arg(phone_numbers))}


async def _find(tx: Tx, phone_number: int) -> SuppressionRow | None:
    row = await tx.row(f"SELECT {SUPPRESSION.sql} FROM suppression WHERE phone_number = ?", phone_number)
    return None if row is None else SUPPRESSION.read(row)


async def _get(tx: Tx, phone_number: int) -> SuppressionRow:
    row = await _find(tx, phone_number)
    if row is None:
        raise NotFound("suppression", masked_phone(phone_number))
    return row


def _without_number(row: SuppressionRow) -> dict[str, object]:
    """What is kept to answer a repeated call. A kept answer outlives the entry, so it has no phone number: the repeated
    call names that itself."""
    return {name: value for name, value in asdict(row).items() if name != "phone_number"}


def _restrictions(tx: Tx, query: SuppressionQuery) -> tuple[str, list[Any]]:
    asked = {name: value for name, value in asdict(query).items() if value is not None}
    special = {"phone_contains": tx.dialect.contains("phone_number"), "search": contains_text(tx.dialect, "note")}
    if query.search is not None:
        asked["search"] = pattern_of(tx.dialect, query.search)
    conditions = [special.get(name, f"{name} = ?") for name in asked]
    return " AND ".join(["TRUE", *conditions]), list(asked.values())


async def _list(tx: Tx, query: SuppressionQuery, page: Page) -> PageOf[SuppressionRow]:
    condition, args = _restrictions(tx, query)
    total = int(await tx.value(f"SELECT count(*) FROM suppression WHERE {condition}", *args))

    async def fetch(part: PageQuery) -> Sequence[SuppressionRow]:
        sql = f"SELECT {SUPPRESSION.sql} FROM suppression {part.sql(condition)}"
        return [SUPPRESSION.read(row) for row in await tx.table(SUPPRESSION.sql, sql, *args, *part.args)]

    found, more = await read_page(page, total, fetch, newest_first=True)
    return PageOf(tuple(found), total, found[-1].id if more else None)
