"""Rows that were not stored, as a file that can be corrected and imported again.

It has all cells of each row as they came, and before them the reason, in a column that imports ignore: behind them it
would be out of its place where a row has too many cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from gateway.tables.columns import REASON, is_reason
from gateway.tables.csv_rows import RowReader
from gateway.tables.json_rows import as_rejected
from gateway.tables.row_text import csv_row, unguarded
from gateway.tables.table_rows import RowError

BOM: Final = "\ufeff"
"""Excel takes the file for another encoding without it."""
_DELIMITER: Final = ";"
"""Of rows that came from a workbook: Excel in Russian takes a comma for a decimal point."""


class RejectedFile:
    """Lines of that file: CSV for rows of tables, NDJSON for JSON objects."""

    def __init__(self, reader: RowReader) -> None:
        self._reader, self._has_begun = reader, False

    def lines(self, errors: Iterable[RowError]) -> Iterator[str]:
        """The lines for these errors, which are in the order of the rows. The header comes before the first of them."""
        for _, of_row in groupby(errors, lambda error: error.line):
            yield from self._row(list(of_row))

    def _row(self, errors: Sequence[RowError]) -> Iterator[str]:
        reason = "; ".join(f"{error.field}: {error.message}" if error.field else error.message for error in errors)
        cells = next((error.raw for error in errors if error.raw), ())
        if self._reader.is_json:
            yield as_rejected(cells[0] if cells else "", reason)
            return
        if not self._has_begun:
            self._has_begun = True
            yield BOM + self._line(REASON, [column.header for column in self._reader.columns])
        yield self._line(reason, cells)

    def _line(self, reason: str, cells: Sequence[str]) -> str:
        kept = without_reasons(self._reader, cells)
        return csv_row([reason, *map(unguarded, kept)], self._reader.delimiter or _DELIMITER)


def without_reasons(reader: RowReader, cells: Sequence[str]) -> list[str]:
    """The cells of a row without the reason why it was rejected before."""
    old = [at for at, column in enumerate(reader.columns) if is_reason(column.header)]
    return [cell for at, cell in enumerate(cells) if at not in old]
