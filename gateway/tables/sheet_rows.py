"""Rows of a workbook's sheet, as ``gateway.tables.sheet_program`` writes them: JSON lines of their number and cells,
and of what cells are merged with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from common.error_codes import ErrorCode, Fault
from gateway.tables.columns import Column, Plan, shown
from gateway.tables.header import HeaderSearch
from gateway.tables.table_rows import PHONE, Item, RowError, Table
from gateway.tables.text_lines import MAX_LINE_BYTES, Line, UnreadableInput

_PROBLEMS: Final = {
    "locked": ErrorCode.WORKBOOK_LOCKED,
    "unreadable": ErrorCode.WORKBOOK_UNREADABLE,
    "empty": ErrorCode.WORKBOOK_EMPTY,
    "large": ErrorCode.WORKBOOK_TOO_LARGE,
    "no_sheet": ErrorCode.WORKBOOK_NO_SHEET,
}


Merged = Sequence[tuple[int, int, str]]
"""Of each cell that is merged with one above: its place, the row above, and what stands there."""


class SheetRows:
    """Lines in, rows and errors out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._search = HeaderSearch(plan)
        self._first: list[tuple[int, list[str], Merged]] = []  # until it is known which one is the header
        self._table: Table | None = None
        self.sheet = ""
        """The sheet's name."""
        self.other_sheets: Sequence[str] = ()
        """Those that have something in them too, and are not read."""
        self._formulas: Sequence[tuple[int, str, int]] = ()

    @property
    def formulas(self) -> Sequence[tuple[str, int]]:
        """How many formulas without a value the columns have, by their names, or letters: their cells are empty."""
        names = [column.header.strip() for column in self.columns]
        return [
            ((names[place] if 0 <= place < len(names) else "") or letters, count)
            for place, letters, count in self._formulas
        ]

    @property
    def columns(self) -> Sequence[Column]:
        """The table's columns; none before its header is found."""
        return () if self._table is None else self._table.columns

    def take(self, line: Line) -> Iterator[Item]:
        """What a line is. Raises UnreadableInput."""
        told = orjson.loads(line.text)
        if isinstance(told, dict):
            if "problem" in told:
                raise UnreadableInput(_problem(told))
            self.sheet, self.other_sheets, self._formulas = told["sheet"], told["others"], told["formulas"]
            return
        number, cells, merged = told
        if cells is None:
            yield RowError(number, "", ErrorCode.ROW_LINE_TOO_LONG.format(max=MAX_LINE_BYTES // 1024))
        elif self._table is not None:
            table = self._table
            # Nearly no row has merged cells, and one generator less is a tenth of the time.
            yield from self._row(table, number, cells, merged) if merged else table.row(number, cells)
        else:
            self._first.append((number, cells, merged))
            if self._search.add(_filled(cells, merged)):
                yield from self._begin()

    def end(self) -> Iterator[Item]:
        """The sheet is over. Raises UnreadableInput."""
        if self._table is None:
            yield from self._begin()

    def _begin(self) -> Iterator[Item]:
        if not self._first:
            raise UnreadableInput(ErrorCode.FILE_EMPTY.format())
        at = self._search.best.at
        number, headers, merged = self._first[at]
        table = self._table = Table(number, _filled(headers, merged), self._plan)
        rows, self._first = self._first[at + 1 :], []
        for row in rows:
            yield from self._row(table, *row)

    def _row(self, table: Table, number: int, cells: list[str], merged: Merged) -> Iterator[Item]:
        """A row. A cell has the value of the one above that it is merged with, as people see it; not so a phone number:
        whose it is, nobody can tell, and two clients with one number would be one."""
        if not merged:
            yield from table.row(number, cells)
            return
        for place, above, _ in merged:
            if place == table.phone_at:
                fault = ErrorCode.PHONE_MERGED.format(line=above)
                yield RowError(number, PHONE, fault, _filled(cells, [each for each in merged if each[0] != place]))
                return
        yield from table.row(number, _filled(cells, merged))


def _problem(told: Mapping[str, Any]) -> Fault:
    names = {"name": shown(told["name"]), "sheets": ", ".join(map(shown, told["names"]))} if "name" in told else {}
    return _PROBLEMS[told["problem"]].format(**names)


def _filled(cells: list[str], merged: Merged) -> list[str]:
    """The cells with those that are merged with one above."""
    if not merged:
        return cells
    filled = cells + [""] * (1 + max(place for place, _, _ in merged) - len(cells))
    for place, _, text in merged:
        filled[place] = text
    return filled
