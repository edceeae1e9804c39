"""Which rows make a page: after a key, some skipped, in either order, read from the nearer end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from engine.store.database import Row, Tx
from engine.store.row_of import RowOf
from engine.store.rows import Page, PageOf

R = TypeVar("R")


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


Item = TypeVar("Item", bound=_HasId)

SKIP_SHORT_MAX: Final = 10_000
"""To skip this many rows takes a millisecond. To skip more is a long question."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """How to read the rows of a page."""

    descending: bool
    after: int | None
    """Only rows beyond this id, in that direction; ``None``: all."""
    limit: int
    offset: int

    def sql(self, condition: str, column: str = "id") -> str:
        """What follows ``FROM …``; its arguments are those of the condition, and then ``args``."""
        beyond = "" if self.after is None else f" AND {column} {'<' if self.descending else '>'} ?"
        order = "DESC" if self.descending else "ASC"
        return f"WHERE {condition}{beyond} ORDER BY {column} {order} LIMIT ? OFFSET ?"

    @property
    def args(self) -> list[Any]:
        """The arguments for the ``?`` of ``sql`` after those of the condition."""
        return [*(() if self.after is None else (self.after,)), self.limit, self.offset]


def forward(page: Page, *, newest_first: bool = False) -> PageQuery:
    """The page and one row more, read in the list's own order. ``newest_first``: the order when none is asked for."""
    descending = newest_first if page.descending is None else page.descending
    return PageQuery(descending, page.after, page.limit + 1, page.skip)


def trimmed(page: Page, rows: Sequence[R]) -> tuple[Sequence[R], bool]:
    """The rows of the page among those that ``forward`` reads, and whether there are more after it."""
    return rows[: page.limit], len(rows) > page.limit


async def read_page(
    page: Page, total: int, fetch: Callable[[PageQuery], Awaitable[Sequence[R]]], *, newest_first: bool = False
) -> tuple[Sequence[R], bool]:
    """Read a page of a list of ``total`` rows; and whether there are more rows after it.

    The database reads the rows that it skips. So a page in the farther half is read from the end. After a key
    (``Page.after``) the number of rows left is not known: such a page is read in the list's own order.
    """
    ahead = forward(page, newest_first=newest_first)
    if page.after is not None or page.skip <= total // 2:
        return trimmed(page, await fetch(ahead))
    left = total - page.skip
    if left <= 0:
        return [], False
    wanted = min(left, page.limit)
    found = await fetch(PageQuery(not ahead.descending, None, wanted, left - wanted))
    return found[::-1], left > wanted


async def page_of(
    tx: Tx,
    kind: RowOf[Item],
    table: str,
    page: Page,
    asked: Mapping[str, Any] = MappingProxyType({}),
    *,
    newest_first: bool = False,
) -> PageOf[Item]:
    """A page of a whole table, or of its rows with the values that are ``asked`` for: by column, or by a condition that
    has a ``?`` of its own."""
    condition = " AND ".join(["TRUE", *(each if "?" in each else f"{each} = ?" for each in asked)])
    total = int(await tx.value(f"SELECT count(*) FROM {table} WHERE {condition}", *asked.values()))

    async def fetch(part: PageQuery) -> Sequence[Row]:
        return await tx.rows(f"SELECT {kind.sql} FROM {table} {part.sql(condition)}", *asked.values(), *part.args)

    found, more = await read_page(page, total, fetch, newest_first=newest_first)
    items = tuple(kind.read(row) for row in found)
    return PageOf(items, total, items[-1].id if more else None)
