"""Tables that never cut a number, a state or a word of a time, however narrow the terminal is.

Texts give way first, then times break between date and time. Where that is not enough each row becomes a sheet of
its own, one value a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from common.terminal import visible

Kind = Literal["", "number", "time", "text"]
Column = str | tuple[str, Kind]

NUMBER: Kind = "number"
TIME: Kind = "time"
"""A time, or words that may break between two of them."""
TEXT: Kind = "text"

_TEXT_WIDTH_MIN = 12
_PADDING = 1


def sheet(rows: Iterable[tuple[str, str | Text]], title: str | None = None) -> Table:
    """A sheet of names and values for one thing; a string is text, never markup."""
    result = Table(box=None, show_header=False, title=title, title_style="bold", title_justify="left", pad_edge=False)
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in rows:
        result.add_row(Text(name), Text(visible(value)) if isinstance(value, str) else value)
    return result


class Listing:
    """A table; a column is a heading, or a heading and one of NUMBER, TIME, TEXT."""

    def __init__(self, *columns: Column, title: str | None = None) -> None:
        pairs = [column if isinstance(column, tuple) else (column, "") for column in columns]
        self._headings = [heading for heading, _ in pairs]
        self._kinds: list[Kind] = [kind for _, kind in pairs]
        self._rows: list[list[Text]] = []
        self._title = title

    def add_row(self, *cells: str | Text) -> None:
        """Add a row, a cell for each column; a string is text, never markup."""
        self._rows.append([Text(visible(cell)) if isinstance(cell, str) else cell for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._fit(self._measured(console, options), options.max_width)
        if widths is None:
            yield from self._sheets()
        else:
            yield self._table(widths)

    def _measured(self, console: Console, options: ConsoleOptions) -> list[tuple[int, int]]:
        """Of each column the least width that loses nothing but parts of texts, and the width that folds nothing."""
        wide = options.update_width(10_000)
        found = []
        for at, kind in enumerate(self._kinds):
            cells = [Text(self._headings[at]), *(row[at] for row in self._rows)]
            sizes = [Measurement.get(console, wide, cell) for cell in cells]
            whole = max(size.maximum for size in sizes)
            word = max(size.minimum for size in sizes)
            least = {TEXT: min(whole, _TEXT_WIDTH_MIN), TIME: word}.get(kind, whole)
            found.append((least, whole))
        return found

    def _fit(self, measured: Sequence[tuple[int, int]], width: int) -> list[int] | None:
        """The width of each column; None: not even the least ones fit."""
        widths = [whole for _, whole in measured]
        excess = sum(widths) + (_PADDING + 1) * len(widths) - 1 - width  # 1: the space between two columns
        for kind in (TEXT, TIME):
            for _ in range(max(excess, 0)):
                shrinkable = [
                    at for at, (least, _) in enumerate(measured) if self._kinds[at] == kind and widths[at] > least
                ]
                if not shrinkable:
                    break
                widths[max(shrinkable, key=lambda at: widths[at])] -= 1
                excess -= 1
        return widths if excess <= 0 else None

    def _table(self, widths: Sequence[int]) -> Table:
        result = Table(
            box=box.SIMPLE_HEAD,
            header_style="bold",
            title=self._title,
            title_style="bold",
            title_justify="left",
            show_edge=False,
            padding=(0, _PADDING, 0, 0),
        )
        for heading, kind, width in zip(self._headings, self._kinds, widths, strict=True):
            justify: Literal["left", "right"] = "right" if kind == NUMBER else "left"
            result.add_column(heading, justify=justify, width=width, overflow="fold")
        for row in self._rows:
            result.add_row(*row)
        return result

    def _sheets(self) -> RenderResult:
        if self._title is not None:
            yield Text(self._title, "bold")
        for number, row in enumerate(self._rows):
            if number:
                yield Text("")
            yield sheet(zip(self._headings, row, strict=True))
