"""Rows of a workbook's sheet, as ``gateway.tables.sheet_program`` writes them: JSON lines of their number and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from common.error_codes import ErrorCode
from gateway.tables.columns import Column, Plan
from gateway.tables.table_rows import Item, RowError, Table, fields_named
from gateway.tables.text_lines import MAX_LINE_BYTES, Line, UnreadableInput

_HEADER_ROWS_MAX: Final = 20
"""Among so many rows the header is looked for: above it may stand a title, a date, whose list it is."""


_PROBLEMS: Final = {
    "locked": ErrorCode.WORKBOOK_LOCKED,
    "unreadable": ErrorCode.WORKBOOK_UNREADABLE,
    "empty": ErrorCode.WORKBOOK_EMPTY,
    "large": ErrorCode.WORKBOOK_TOO_LARGE,
}


class SheetRows:
    """Lines in, rows and errors out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._first: list[tuple[int, list[str]]] = []  # until it is known which one is the header
        self._table: Table | None = None
        self.sheet = ""
        """The sheet's name."""

    @property
    def columns(self) -> Sequence[Column]:
        """The table's columns; none before its header is found."""
        return () if self._table is None else self._table.columns

    def take(self, line: Line) -> Iterator[Item]:
        """What a line is. Raises UnreadableInput."""
        told = orjson.loads(line.text)
        if isinstance(told, dict):
            if "problem" in told:
                raise UnreadableInput(_PROBLEMS[told["problem"]].format())
            self.sheet = told["sheet"]
            return
        number, cells = told
        if cells is None:
            yield RowError(number, "", ErrorCode.ROW_LINE_TOO_LONG.format(max=MAX_LINE_BYTES // 1024))
        elif self._table is not None:
            yield from self._table.row(number, cells)
        else:
            self._first.append((number, cells))
            if "phone_number" in fields_named(cells, self._plan) or len(self._first) == _HEADER_ROWS_MAX:
                yield from self._begin()

    def end(self) -> Iterator[Item]:
        """The sheet is over. Raises UnreadableInput."""
        if self._table is None:
            yield from self._begin()

    def _begin(self) -> Iterator[Item]:
        """The row that names the most fields is the header; where none names any, the first that has two cells."""
        if not self._first:
            raise UnreadableInput(ErrorCode.FILE_EMPTY.format())
        named = [fields_named(cells, self._plan) for _, cells in self._first]
        best = [
            ("phone_number" in each, len(each), sum(map(bool, row[1])) > 1)
            for each, row in zip(named, self._first, strict=True)
        ]
        at = best.index(max(best))
        number, headers = self._first[at]
        self._table = Table(number, headers, self._plan)
        rows, self._first = self._first[at + 1 :], []
        for number, cells in rows:
            yield from self._table.row(number, cells)
