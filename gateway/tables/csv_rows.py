"""Clients as CSV, NDJSON or rows of a workbook, read in constant memory; ``gateway.tables.row_text`` writes them.

The reader is pushed bytes and returns rows and errors, so that a file, standard input and an HTTP body use it alike.
Input that can't be read as a whole raises `UnreadableInput`; one bad row is a `RowError`, the rows after it are read.
Values are texts here; what they mean (is this a phone number?) the engine decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import orjson

from common.error_codes import ErrorCode, Fault
from gateway.tables.columns import ATTRIBUTE_PREFIX, Column, Plan, shown
from gateway.tables.csv_table import CsvRows
from gateway.tables.json_rows import JsonRows
from gateway.tables.misread import misread
from gateway.tables.row_text import COLUMNS, csv_row, ndjson_row
from gateway.tables.sheet_rows import SheetRows
from gateway.tables.table_rows import ImportRow, Item, RowError
from gateway.tables.text_lines import Line, LineReader, UnknownEncoding, UnreadableInput

__all__ = [
    "COLUMNS", "ImportRow", "Item", "RowError", "RowReader", "UnknownEncoding", "UnreadableInput", "csv_row",
    "ndjson_row", "read_rows",
]  # fmt: skip

Format = Literal["auto", "csv", "ndjson", "sheet"]

_MAX_JUDGED = 128  # characters of a cell; a tag has 64 at most
_OF_FILE = {
    ErrorCode.ROW_LINE_TOO_LONG: ErrorCode.FILE_LINE_TOO_LONG,
    ErrorCode.ROW_NOT_IN_ENCODING: ErrorCode.FILE_NOT_AS_BEGUN,
    ErrorCode.ROW_ENCODING_UNKNOWN: ErrorCode.FILE_ENCODING_UNKNOWN,
}
"""What is said of a file whose first line has a problem."""


class _Rows(Protocol):
    @property
    def columns(self) -> Sequence[Column]: ...

    def take(self, line: Line) -> Iterator[Item]: ...

    def end(self) -> Iterator[Item]: ...


class RowReader:
    """Push bytes in, get rows and errors out in the order of the lines."""

    def __init__(self, format: Format = "auto", encoding: str | None = None, plan: Plan = Plan()) -> None:  # noqa: B008
        """Begin.

        Args:
            format: ``sheet`` is what ``gateway.tables.workbook`` makes of a workbook.
            plan: what is said of the columns.
            encoding: as ``encoding_of`` returns it; ``None``: it is told from the bytes, and rows in doubt are errors.
        """
        self._format, self._plan = format, plan
        self._lines = LineReader("utf-8" if format == "sheet" else encoding)
        self._misread = _Misread(plan.fields)
        self._rows: _Rows | None = None
        self._separator: str | None = None  # told by Excel's own first line, "sep=;"

    @property
    def encoding(self) -> str | None:
        """What the input is encoded in; None while all was ASCII."""
        return self._lines.encoding

    @property
    def is_encoding_in_doubt(self) -> bool:
        """Whether the encoding might have to be named."""
        return self._lines.is_in_doubt

    @property
    def delimiter(self) -> str | None:
        """What separates the cells of a CSV; None before its header is read, and for NDJSON."""
        return self._rows.delimiter if isinstance(self._rows, CsvRows) else None

    @property
    def sheet(self) -> str | None:
        """The name of the sheet that is read; None: it is no workbook."""
        return self._rows.sheet if isinstance(self._rows, SheetRows) else None

    @property
    def other_sheets(self) -> Sequence[str]:
        """The names of the sheets that are not read, and have something in them."""
        return self._rows.other_sheets if isinstance(self._rows, SheetRows) else ()

    @property
    def formulas(self) -> Sequence[tuple[str, int]]:
        """How many formulas without a value the columns of a sheet have, by their names: their cells are empty."""
        return self._rows.formulas if isinstance(self._rows, SheetRows) else ()

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of a table, in their order; none before its header is read, and for NDJSON."""
        return () if self._rows is None else self._rows.columns

    @property
    def is_of_workbook(self) -> bool:
        """Whether it reads what ``gateway.tables.workbook`` makes of a workbook, and not the file itself."""
        return self._format == "sheet"

    @property
    def is_json(self) -> bool:
        """Whether rows are JSON objects, which have no columns."""
        return isinstance(self._rows, JsonRows)

    @property
    def has_begun(self) -> bool:
        """Whether it is known what the input is: its first line that is not blank has been read."""
        return self._rows is not None

    def feed(self, data: bytes) -> list[Item]:
        """Take more bytes; return what they complete. Raises UnreadableInput."""
        return self._take(self._lines.feed(data))

    def settle(self) -> list[Item]:
        """No more of the input will come, though it goes on: return what is known. Raises UnreadableInput."""
        items = self._take(self._lines.settle())
        if isinstance(self._rows, CsvRows):
            items.extend(self._sifted(self._rows.settle()))
        return items

    def finish(self) -> list[Item]:
        """The input is over; return what is left. Raises UnreadableInput."""
        items = self._take(self._lines.finish())
        if self._rows is None:
            if self._format == "ndjson":
                return items
            raise UnreadableInput(ErrorCode.FILE_EMPTY.format())
        items.extend(self._sifted(self._rows.end()))
        return items

    def _take(self, lines: list[Line]) -> list[Item]:
        items: list[Item] = []
        for line in lines:
            if self._rows is not None:
                items.extend(self._rows.take(line))
            elif line.problem or line.text.strip():
                items.extend(self._begin(line))
        return self._sifted(items)

    def _sifted(self, items: Iterable[Item]) -> list[Item]:
        return self._misread.sifted([*items]) if self._lines.is_guess else [*items]

    def _begin(self, line: Line) -> Iterator[Item]:
        """The first line that is not blank tells what the input is."""
        start = line.text.lstrip()
        if line.problem:
            of_file = _OF_FILE[ErrorCode[line.problem.code]]
            raise UnreadableInput(of_file.format(line=line.number, **line.problem.arguments))
        if self._format == "sheet":
            self._rows = SheetRows(self._plan)
            return self._rows.take(line)
        if self._format == "ndjson" or (self._format == "auto" and start.startswith("{")):
            self._rows = JsonRows(self._plan)
            return self._rows.take(line)
        if start.startswith("["):
            raise UnreadableInput(ErrorCode.FILE_ARRAY.format())
        if separator := re.fullmatch(r"sep=([,;\t])\s*", line.text, re.IGNORECASE):
            self._separator = separator[1]
            return iter(())
        self._rows = CsvRows(self._separator, self._plan)
        return self._rows.take(line)


def read_rows(chunks: Iterable[bytes], format: Format = "auto") -> Iterator[Item]:
    """Rows and errors of an input that comes in chunks. Raises UnreadableInput."""
    reader = RowReader(format)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.finish()


class _Misread:
    """Rows of a file that was taken for Windows-1251: those that look as if it were not become errors."""

    def __init__(self, row_fields: Sequence[str]) -> None:
        self._fields = row_fields
        self._looking_wrong = self._looking_right = 0

    def sifted(self, items: Sequence[Item]) -> list[Item]:
        """Once most rows look wrong, the file is in another encoding, and none with such letters is believed."""
        found = [_wrong_cell(item, self._fields) if isinstance(item, ImportRow) else None for item in items]
        self._looking_wrong += sum(bool(each and each[1]) for each in found)
        self._looking_right += sum(bool(each and not each[1]) for each in found)
        is_doubted = self._looking_wrong > self._looking_right
        return [
            RowError(item.line, each[0], _looks_wrong(each[1]), item.raw) if each and (each[1] or is_doubted) else item
            for item, each in zip(items, found, strict=True)
        ]


def _wrong_cell(row: ImportRow, row_fields: Sequence[str]) -> tuple[str, str] | None:
    """A column with letters beyond ASCII, and the word in it that looks wrong, or ""; None: there is no such column."""
    found = None
    for name, text in (*zip(row_fields, row.cells, strict=True), *_attribute_texts(row)):
        if text and not text.isascii():
            word = misread(text[:_MAX_JUDGED])
            if word:
                return name, word
            found = found or (name, "")
    return found


def _attribute_texts(row: ImportRow) -> Iterator[tuple[str, str]]:
    if row.attributes is not None and not row.attributes.isascii():
        for name, value in orjson.loads(row.attributes).items():
            if isinstance(value, str):
                yield ATTRIBUTE_PREFIX + name, value


def _looks_wrong(word: str) -> Fault:
    if not word:
        return ErrorCode.ROW_IN_DOUBT.format()
    return ErrorCode.ROW_LOOKS_WRONG.format(text=shown(word))
