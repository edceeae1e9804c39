"""Which rows make a page: after a key, some skipped, in either order, read from the nearer end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from engine.store.rows import Page

R = TypeVar("R")

SKIP_SHORT_MAX: Final = 10_000
"""To skip so many rows takes a millisecond; to skip more is a long question."""


@dataclass(frozen=True, slots=True)
class Cut:
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


def forward(page: Page, *, newest_first: bool = False) -> Cut:
    """The page and one row more, read in the list's own order. ``newest_first``: the order when none is asked for."""
    descending = newest_first if page.descending is None else page.descending
    return Cut(descending, page.after, page.limit + 1, page.skip)


def cut(page: Page, rows: Sequence[R]) -> tuple[Sequence[R], bool]:
    """The page out of what ``forward`` has read, and whether there are more rows after it."""
    return rows[: page.limit], len(rows) > page.limit


async def read_part(
    page: Page, total: int, fetch: Callable[[Cut], Awaitable[Sequence[R]]], *, newest_first: bool = False
) -> tuple[Sequence[R], bool]:
    """Read a page of a list of ``total`` rows; and whether there are more rows after it.

    Rows that are skipped must be read over, so what lies in the farther half is read from the end. Where a key begins
    (``Page.after``) nobody has counted how many rows remain: those are read in the list's own order.
    """
    ahead = forward(page, newest_first=newest_first)
    if page.after is not None or page.skip <= total // 2:
        return cut(page, await fetch(ahead))
    left = total - page.skip
    if left <= 0:
        return [], False
    wanted = min(left, page.limit)
    found = await fetch(Cut(not ahead.descending, None, wanted, left - wanted))
    return found[::-1], left > wanted
