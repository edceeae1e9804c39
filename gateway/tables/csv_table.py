"""Rows of a CSV: what separates its cells and which row is its header are told from its first lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from common.error_codes import ErrorCode
from gateway.tables.columns import Column, Plan, shown
from gateway.tables.csv_records import Record, Records
from gateway.tables.header import Found, HeaderSearch
from gateway.tables.row_text import unguarded
from gateway.tables.table_rows import Item, RowError, Table
from gateway.tables.text_lines import Line, UnreadableInput

_DELIMITERS: Final = (",", ";", "\t")
_NOTHING: Final = "".join(_DELIMITERS) + " \r"
"""A line of nothing else has only empty cells, whatever separates them."""
_LINES_MAX: Final = 100
"""Among so many lines the header is looked for: to cut each by each delimiter takes nine times as long as later."""
_WHOLE_ROW_CELLS_MIN: Final = 2
"""A line without a delimiter may always be a piece of a cell."""


class CsvRows:
    """Lines in, rows and errors out."""

    def __init__(self, delimiter: str | None, plan: Plan) -> None:
        """``delimiter``: what separates cells; None: it is told from the lines."""
        self._plan = plan
        self._heads = [_Head(each, plan) for each in (_DELIMITERS if delimiter is None else (delimiter,))]
        self._records = self._heads[0].records
        self._table: Table | None = None
        self._lines = 0

    @property
    def delimiter(self) -> str | None:
        """What separates cells; None until the header is found."""
        return None if self._table is None else self._records.delimiter

    @property
    def columns(self) -> Sequence[Column]:
        """The table's columns; none until its header is found."""
        return () if self._table is None else self._table.columns

    def take(self, line: Line) -> Iterator[Item]:
        """What a line completes. Raises UnreadableInput."""
        records, table = self._records, self._table
        if table is None:
            return self._look_at(line)
        if not records.open and '"' not in line.text and line.problem is None:  # nearly every line there is
            cells = [cell.strip() for cell in line.text.split(records.delimiter)]
            broken_at = records.broken_at
            return (
                table.row(line.number, cells) if broken_at is None else self._row(Record(line.number, cells, broken_at))
            )
        return self._rows(records.take(line))

    def settle(self) -> Iterator[Item]:
        """No more lines will come, though there are more: what is known of these. Raises UnreadableInput."""
        return iter(()) if self._table is not None or all(head.is_empty for head in self._heads) else self._begin()

    def end(self) -> Iterator[Item]:
        """The lines are over. Raises UnreadableInput."""
        if self._table is not None:
            return self._rows(self._records.end())
        for head in self._heads:
            head.end()
        return self._begin()

    def _look_at(self, line: Line) -> Iterator[Item]:
        """One of the first lines: it may be the header, or above it. Raises UnreadableInput."""
        if (
            line.problem is None
            and not line.text.strip(_NOTHING)
            and not any(each.records.open for each in self._heads)
        ):
            return iter(())
        self._lines += 1
        # Each head takes the line, whether or not one before it knows the header.
        knowing = [head for head in self._heads if head.take(line)]
        return self._begin() if knowing or self._lines == _LINES_MAX else iter(())

    def _begin(self) -> Iterator[Item]:
        """The header is among the first lines. Raises UnreadableInput: it is none."""
        head = max(self._heads, key=lambda each: each.best)
        _check_head(head, self._heads)
        header, rest = head.cut()
        # Excel separates cells by semicolons where the comma is a decimal one.
        is_russian = head.records.delimiter == ";"
        self._table = Table(header.line, header.cells, self._plan, is_russian=is_russian)
        self._records, self._heads = head.records, []
        return self._rows(rest)

    def _rows(self, found: Iterable[Record | RowError]) -> Iterator[Item]:
        for each in found:
            if isinstance(each, RowError):
                yield each
            else:
                yield from self._row(each)

    def _row(self, record: Record) -> Iterator[Item]:
        """A row; below broken quotes a line that has too few cells may be a piece of a cell, and is no row.

        Its cells are not handed back with the rejected rows: imported again without the line above, they were a row.
        """
        assert self._table is not None  # there are no rows before its header
        line, cells, broken_at = record
        if broken_at is not None and any(cells) and len(cells) < max(len(self.columns), _WHOLE_ROW_CELLS_MIN):
            yield RowError(line, "", ErrorCode.ROW_IN_QUOTE.format(line=broken_at))
        else:
            yield from self._table.row(line, cells)


class _Head:
    """The first lines, cut by one delimiter."""

    def __init__(self, delimiter: str, plan: Plan) -> None:
        self.records = Records(delimiter)
        self._search = HeaderSearch(plan)
        self._rows: list[Record] = []
        self._errors: list[RowError] = []

    def take(self, line: Line) -> bool:
        """Cut the next line. Return whether the header is known."""
        return self._keep(self.records.take(line))

    def end(self) -> None:
        """There are no more lines."""
        self._keep(self.records.end())

    @property
    def is_empty(self) -> bool:
        """Whether there was no row yet."""
        return not self._rows

    @property
    def best(self) -> Found:
        """The likeliest header, by this delimiter."""
        return self._search.best

    @property
    def broken(self) -> Iterator[tuple[int, str]]:
        """The lines whose quotes can't be understood, with their numbers."""
        yield from ((each.line, each.raw[0]) for each in self._errors if each.raw)
        yield from ((each.number, each.text) for each in self.records.open[:1])

    def cut(self) -> tuple[Record, list[Record | RowError]]:
        """The header, and what follows it."""
        header = self._rows[self.best.at]
        first: list[Record | RowError] = [*self._rows, *self._errors]
        rest = [each for each in first if each.line > header.line]
        return header._replace(cells=_names(header)), sorted(rest, key=lambda each: each.line)

    def _keep(self, found: Iterable[Record | RowError]) -> bool:
        is_known = False
        for each in found:
            if isinstance(each, RowError):
                self._errors.append(each)
            elif any(each.cells):
                self._rows.append(each)
                is_known = self._search.add(_names(each)) or is_known
        return is_known


def _names(record: Record) -> list[str]:
    return [unguarded(cell) for cell in record.cells]


def _check_head(best: _Head, heads: Sequence[_Head]) -> None:
    """Raises UnreadableInput: there is no row, or a header of one cell that may be a piece of broken quotes."""
    if best.best.is_wide and best.best.names > 0:
        return
    last = math.inf if best.is_empty else best.cut()[0].line
    broken = [(line, text) for head in heads for line, text in head.broken if line <= last]
    if broken:
        line, text = min(broken)
        raise UnreadableInput(ErrorCode.HEADER_NOT_CSV.format(line=line, text=shown(text.removesuffix("\r"))))
    if best.is_empty:
        raise UnreadableInput(ErrorCode.FILE_EMPTY.format())
