"""Lists of clients: any filter, any page, fast with a million of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from typing import Any, Final

from engine.domain.attributes import names_of
from engine.domain.errors import NotFound
from engine.store.attributes import shown_as
from engine.store.client_counts import COLUMNS, clients_by_value, clients_counted
from engine.store.client_rows import ClientQuery, ClientRow
from engine.store.database import Lane, Tx
from engine.store.paging import SKIP_SHORT_MAX, PageQuery, forward, read_page, trimmed
from engine.store.row_of import RowOf
from engine.store.rows import MAX_PAGE_SIZE, Page, PageOf
from engine.store.verbs import Verbs, read

CLIENT: Final = RowOf(ClientRow)
_INDEXES: Final = {column: f"client_{column}" for column in COLUMNS}
"""Of each column that lists are filtered by, but for the number."""
_LOOKUPS_MAX: Final = 300_000
"""For more rows than this, reading the table from end to end is faster than looking rows up by an index."""
_FACET_MAX: Final = 1_000


class ClientListVerbs(Verbs):
    """Nothing here changes anything."""

    async def list_clients(self, query: ClientQuery, page: Page) -> PageOf[ClientRow]:
        """Clients by id, ascending unless the page says otherwise."""
        lane = Lane.LONG if is_long_client_list(query, page) else Lane.API
        return await self._db.read(lambda tx: _list(tx, query, page), lane)

    async def export_clients(self, query: ClientQuery, page_size: int = 1000) -> AsyncIterator[tuple[ClientRow, ...]]:
        """All clients by id, in pages; each page is read when it is asked for."""
        page: Page | None = Page(page_size)
        while page is not None:
            items, more = await self._exported(query, page)
            if items:
                yield tuple(items)
            page = Page(page_size, items[-1].id) if more else None

    @read(Lane.API)
    async def _exported(self, tx: Tx, query: ClientQuery, page: Page) -> tuple[Sequence[ClientRow], bool]:
        condition, args = _restrictions(tx, query)
        ahead = forward(page)
        sql = f"SELECT {CLIENT.sql} FROM client {ahead.sql(condition)}"
        return trimmed(page, [CLIENT.read(row) for row in await tx.table(CLIENT.sql, sql, *args, *ahead.args)])

    async def export_attribute_names(self, query: ClientQuery) -> AsyncIterator[set[str]]:
        """The names of attributes that clients have, in parts; each part is read when it is asked for."""
        page: Page | None = Page(MAX_PAGE_SIZE)
        while page is not None:
            names, last = await self._attribute_names(query, page)
            yield names
            page = None if last is None else Page(MAX_PAGE_SIZE, last)

    @read(Lane.API)
    async def _attribute_names(self, tx: Tx, query: ClientQuery, page: Page) -> tuple[set[str], int | None]:
        """The names that a page of clients has, and the last one's id; ``None``: there are no more."""
        condition, args = _restrictions(tx, query)
        ahead = forward(page)
        rows = await tx.rows(f"SELECT id, attributes FROM client {ahead.sql(condition)}", *args, *ahead.args)
        found, more = trimmed(page, rows)
        texts = {row[1] for row in found}
        return {name for text in texts for name in names_of(text)}, found[-1][0] if more else None

    @read(Lane.API)
    async def count_clients(self, tx: Tx) -> int:
        """How many clients there are."""
        return await clients_counted(tx)

    @read(Lane.LONG)
    async def facets(self, tx: Tx) -> dict[str, dict[str, int]]:
        """The values that clients have, by column, the most frequent first, each with how many clients have it."""
        return {column: await clients_by_value(tx, column, _FACET_MAX) for column in COLUMNS}


async def stored_client(tx: Tx, client_id: int, *, lock: bool = False) -> ClientRow:
    """One client; ``NotFound`` when there is none."""
    row = await tx.row(f"SELECT {CLIENT.sql} FROM client WHERE id = ? {tx.dialect.lock() if lock else ''}", client_id)
    if row is None:
        raise NotFound("client", client_id)
    return CLIENT.read(row)


async def _list(tx: Tx, query: ClientQuery, page: Page) -> PageOf[ClientRow]:
    condition, args = _restrictions(tx, query)
    if _has_index(query):
        ids, more, total = await _by_index(tx, query, condition, args, page)
    else:
        ids, more, total = await _by_scan(tx, query, condition, args, page)
    items = await _rows(tx, ids)
    return PageOf(items, total, items[-1].id if more else None)


def is_long_client_list(query: ClientQuery, page: Page) -> bool:
    """Whether reading this page is a long question: many rows are looked at for the few that are shown."""
    return page.skip > SKIP_SHORT_MAX or not _has_index(query)


def _has_index(query: ClientQuery) -> bool:
    return query.phone_contains is None and not query.attributes and len(_asked(query)) < 2


def _restrictions(tx: Tx, query: ClientQuery) -> tuple[str, list[Any]]:
    asked = _asked(query)
    contains = tx.dialect.contains("phone_number")
    conditions = [contains if name == "phone_contains" else f"{name} = ?" for name in asked]
    attributes = [shown_as(tx.dialect, name, text) for name, text in query.attributes]
    args = [arg for each in attributes for arg in each.args]
    return " AND ".join(["TRUE", *conditions, *(each.sql for each in attributes)]), [*asked.values(), *args]


def _asked(query: ClientQuery) -> dict[str, Any]:
    """The columns that are asked for, but for the attributes."""
    found = {field.name: getattr(query, field.name) for field in fields(query) if field.name != "attributes"}
    return {name: value for name, value in found.items() if value is not None}


async def _by_index(
    tx: Tx, query: ClientQuery, condition: str, args: list[Any], page: Page
) -> tuple[list[int], bool, int]:
    """One filter or none: an index has the ids, in their order and with nothing else in it."""
    if query.phone_number is None:
        total = await clients_counted(tx, *next(iter(_asked(query).items()), ()))
    else:
        total = int(await tx.value(f"SELECT count(*) FROM client WHERE {condition}", *args))

    async def fetch(part: PageQuery) -> list[int]:
        rows = await tx.table("id", f"SELECT id FROM client {part.sql(condition)}", *args, *part.args)
        return [row[0] for row in rows]

    ids, more = await read_page(page, total, fetch)
    return list(ids), more, total


async def _by_scan(
    tx: Tx, query: ClientQuery, condition: str, args: list[Any], page: Page
) -> tuple[list[int], bool, int]:
    """Several filters, or a part of the number: what matches is found once, for the page and the total both."""
    ahead = forward(page)
    rows = await tx.rows(
        f"WITH hit AS MATERIALIZED (SELECT id FROM client {await _access(tx, query)} WHERE {condition})"
        " SELECT count(*), 0 FROM hit"
        f" UNION ALL SELECT * FROM (SELECT 0, id FROM hit {ahead.sql('TRUE')}) AS part",
        *args,
        *ahead.args,
    )
    ids, more = trimmed(page, [row[1] for row in rows[1:]])
    return list(ids), more, int(rows[0][0])


async def _access(tx: Tx, query: ClientQuery) -> str:
    """How SQLite should look for clients: it has no statistics, and would take any of the indexes."""
    asked = {name: getattr(query, name) for name in _INDEXES if getattr(query, name) is not None}
    if not tx.dialect.is_sqlite or query.phone_number is not None or not asked:
        return ""
    sizes = {
        name: await tx.value(
            f"SELECT count(*) FROM (SELECT 1 FROM client INDEXED BY {_INDEXES[name]} WHERE {name} = ?"
            f" LIMIT {_LOOKUPS_MAX})",
            value,
        )
        for name, value in asked.items()
    }
    best = min(sizes, key=lambda name: sizes[name])
    return "NOT INDEXED" if sizes[best] >= _LOOKUPS_MAX else tx.dialect.indexed_by(_INDEXES[best])


async def _rows(tx: Tx, ids: Sequence[int]) -> tuple[ClientRow, ...]:
    """These clients, in the order given."""
    rows = await tx.table(
        CLIENT.sql,
        f"SELECT {CLIENT.sql} FROM client WHERE id {tx.dialect.in_list()} LIMIT {len(ids)}",
        tx.dialect.list_arg(ids),
    )
    found = {row[0]: CLIENT.read(row) for row in rows}
    return tuple(found[client_id] for client_id in ids)
