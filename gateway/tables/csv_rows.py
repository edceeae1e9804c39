"""Clients as CSV, NDJSON or rows of a workbook, read in constant memory; ``gateway.tables.row_text`` writes them.

The reader is pushed bytes and returns rows and errors, so that a file, standard input and an HTTP body use it alike.
Input that can't be read as a whole raises `UnreadableInput`; one bad row is a `RowError`, the rows after it are read.
Values are texts here; what they mean (is this a phone number?) the engine decides.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

import orjson

from common.error_codes import ErrorCode, Fault, Unfit
from gateway.tables.columns import ATTRIBUTE_PREFIX, Column, Plan, shown
from gateway.tables.json_rows import JsonRows
from gateway.tables.misread import misread
from gateway.tables.row_text import COLUMNS, csv_row, ndjson_row, unguarded
from gateway.tables.sheet_rows import SheetRows
from gateway.tables.table_rows import ImportRow, Item, RowError, Table, fields_named
from gateway.tables.text_lines import MAX_LINE_BYTES, Line, LineReader, UnknownEncoding, UnreadableInput

__all__ = [
    "COLUMNS", "ImportRow", "Item", "RowError", "RowReader", "UnknownEncoding", "UnreadableInput", "csv_row",
    "ndjson_row", "read_rows",
]  # fmt: skip

Format = Literal["auto", "csv", "ndjson", "sheet"]

_DELIMITERS = (",", ";", "\t")
_MAX_RECORD_LINES = 64  # a quoted tag may hold line ends, yet it has 64 characters at most
_WHOLE_ROW_CELLS_MIN = 2
"""A line without a delimiter may always be a piece of a cell."""
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
        return self._rows.delimiter if isinstance(self._rows, _CsvRows) else None

    @property
    def sheet(self) -> str | None:
        """The name of the sheet that is read; None: it is no workbook."""
        return self._rows.sheet if isinstance(self._rows, SheetRows) else None

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
        return self._take(self._lines.settle())

    def finish(self) -> list[Item]:
        """The input is over; return what is left. Raises UnreadableInput."""
        items = self._take(self._lines.finish())
        if self._rows is None:
            if self._format == "ndjson":
                return items
            raise UnreadableInput(ErrorCode.FILE_EMPTY.format())
        items.extend(self._rows.end())
        return items

    def _take(self, lines: list[Line]) -> list[Item]:
        items: list[Item] = []
        for line in lines:
            if self._rows is not None:
                items.extend(self._rows.take(line))
            elif line.problem or line.text.strip():
                items.extend(self._begin(line))
        return self._misread.sifted(items) if self._lines.is_guess else items

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
        else:
            self._rows = _CsvRows(line, self._separator, self._plan)
        return iter(())


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


# -- CSV -----------------------------------------------------------------------------------------


class _Unclosed(Exception):
    """A quote is still open at the end of the text."""


def _splitter(delimiter: str) -> Callable[[str], list[str]]:
    """A function that cuts a record into cells. It raises _Unclosed, or Unfit for what follows a closing quote.

    RFC 4180, and what Excel does beyond it: a quote inside an unquoted cell is a letter like any other. Spaces
    around an unquoted cell are dropped, those inside quotes are kept.
    """
    # Possessive: the first mark of a doubled quote is never tried as the closing one of a cell that goes on.
    quoted = re.compile(rf' *+"([^"]*+(?:""[^"]*+)*+)"(?P<after>[^{delimiter}]*)')
    plain = re.compile(rf"[^{delimiter}]*")

    def split(text: str) -> list[str]:
        cells: list[str] = []
        at = 0
        while True:
            if match := quoted.match(text, at):
                if match["after"].strip():
                    raise Unfit(ErrorCode.ROW_AFTER_QUOTE.format(cell=len(cells) + 1))
                cells.append(match[1].replace('""', '"'))
            else:
                match = plain.match(text, at)
                assert match is not None  # it matches the empty text too
                if match[0].lstrip(" ").startswith('"'):
                    raise _Unclosed
                cells.append(match[0].strip())
            at = match.end()
            if at == len(text):
                return cells
            at += 1

    return split


class _CsvRows:
    def __init__(self, header: Line, delimiter: str | None, plan: Plan) -> None:
        text = header.text.removesuffix("\r")
        self.delimiter = delimiter or max(_DELIMITERS, key=lambda d: _known_columns(text, d, plan))
        self._split = _splitter(self.delimiter)
        try:
            headers = [unguarded(name) for name in self._split(text)]
        except (_Unclosed, Unfit):
            raise UnreadableInput(ErrorCode.HEADER_NOT_CSV.format(line=header.number, text=shown(text))) from None
        # Excel separates cells by semicolons where the comma is a decimal one.
        self._table = Table(header.number, headers, plan, is_russian=self.delimiter == ";")
        self.columns = self._table.columns
        self._open: list[Line] = []  # lines of a record with a quote not closed yet
        self._broken_at: int | None = None  # the last line whose quotes could not be understood

    def take(self, line: Line) -> Iterator[Item]:
        if not self._open and '"' not in line.text and line.problem is None:  # nearly every line there is
            cells = [cell.strip() for cell in line.text.split(self.delimiter)]
            return self._table.row(line.number, cells) if self._broken_at is None else self._row(line.number, cells)
        return self._take_slowly(deque([line]))

    def end(self) -> Iterator[Item]:
        while self._open:
            yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), deque(), last=True)

    def _take_slowly(self, todo: deque[Line]) -> Iterator[Item]:
        while todo:
            line = todo.popleft()
            if line.problem is not None:
                if self._open:  # what is open ends here; the lines of it come before this one
                    todo.appendleft(line)
                    yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), todo)
                else:
                    yield RowError(line.number, "", line.problem)
                continue
            self._open.append(line)
            if len(self._open) > _MAX_RECORD_LINES or sum(len(each.text) for each in self._open) > MAX_LINE_BYTES:
                yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), todo)
            elif len(self._open) == 1 or '"' in line.text:
                yield from self._try_record(todo)

    def _try_record(self, todo: deque[Line]) -> Iterator[Item]:
        text = "\n".join(line.text for line in self._open).removesuffix("\r")
        try:
            cells = self._split(text)
        except _Unclosed:
            return
        except Unfit as error:
            yield from self._give_up(error.fault, todo)
            return
        first = self._open[0].number
        self._open = []
        yield from self._row(first, cells)

    def _row(self, number: int, cells: list[str]) -> Iterator[Item]:
        """A row; below broken quotes a line that has too few cells may be a piece of a cell, and is no row.

        Its cells are not handed back with the rejected rows: imported again without the line above, they were a row.
        """
        if self._broken_at is not None and any(cells) and len(cells) < max(len(self.columns), _WHOLE_ROW_CELLS_MIN):
            yield RowError(number, "", ErrorCode.ROW_IN_QUOTE.format(line=self._broken_at))
        else:
            yield from self._table.row(number, cells)

    def _give_up(self, fault: Fault, todo: deque[Line], *, last: bool = False) -> Iterator[Item]:
        """Reject the line where the open record began, and read the lines after it as rows of their own.

        The end of that record is not known, so from here on only lines with all cells are rows, see ``_row``.
        """
        if not self._open:
            return
        first, *rest = self._open
        self._open, self._broken_at = [], first.number
        yield RowError(first.number, "", fault, (first.text,))
        if last:
            yield from self._take_slowly(deque(rest))
        else:
            todo.extendleft(reversed(rest))


def _known_columns(header: str, delimiter: str, plan: Plan) -> tuple[int, int]:
    names = [name.strip(' "\t') for name in header.split(delimiter)]
    return len(fields_named(names, plan)), len(names)
