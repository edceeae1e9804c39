"""Lists longer than a page."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

import typer

from cli.failures import UsageFailure
from cli.plain import INT64_MAX

MAX_PAGE = 1000

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=INT64_MAX, help="How many to show.")]
All = Annotated[bool, typer.Option("--all", help="Show all, however many.")]
DEFAULT_LIMIT = 50


class _Page(Protocol):
    next_page_token: str
    total_size: int


P = TypeVar("P", bound=_Page)
T = TypeVar("T")


async def collect(
    fetch: Callable[[int, str], Awaitable[P]], items_of: Callable[[P], list[T]], limit: int | None
) -> tuple[list[T], int, str]:
    """Fetch pages by (size, token), up to `limit` items (None: all); return them, the total, the next token."""
    items: list[T] = []
    token = ""
    while True:
        room = MAX_PAGE if limit is None else min(MAX_PAGE, limit - len(items))
        page = await fetch(room, token)
        items += items_of(page)
        token = page.next_page_token
        if not token or (limit is not None and len(items) >= limit):
            return items, page.total_size, token


def confirm(question: str, yes: bool) -> None:
    """Ask before what can't be undone. Raises typer.Abort on a no, and UsageFailure when nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageFailure("this can't be undone: add --yes")
    typer.confirm(question, abort=True)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
