"""Clients as CSV or NDJSON: read row by row in constant memory, and written.

The reader is pushed bytes and returns rows and errors, so that a file, standard input and an HTTP body use it alike.
Input that can't be read as a whole raises `UnreadableInput`; one bad row is a `RowError`, the rows after it are read.
Values are texts here; what they mean (is this a phone number?) the engine decides.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, Protocol

import orjson

from gateway.text_lines import MAX_LINE_BYTES, Line, LineReader, UnreadableInput

__all__ = [
    "COLUMNS", "ClientRow", "RowError", "RowReader", "UnreadableInput", "csv_row", "ndjson_row", "read_rows",
]  # fmt: skip

COLUMNS = ("phone_number", "phone_code", "tag", "time_zone")
"""The columns of a CSV, and the keys of an NDJSON object. Only the first one must be there."""

Format = Literal["auto", "csv", "ndjson"]

_DELIMITERS = (",", ";", "\t")
_MAX_RECORD_LINES = 64  # a quoted tag may hold line ends, yet it has 64 characters at most
_MAX_SHOWN = 40
_MAX_ROW_ERRORS = 10


class ClientRow(NamedTuple):
    """One row. None: its column or key is not there, so a client that exists keeps what it has."""

    line: int
    """Where it begins, counted from 1."""
    phone_number: str
    phone_code: str | None
    tag: str | None
    time_zone: str | None


class RowError(NamedTuple):
    """One thing wrong with one row, which is skipped."""

    line: int
    field: str
    """The column's name, or "" when the row as a whole is bad."""
    message: str


Item = ClientRow | RowError


class _Rows(Protocol):
    def take(self, line: Line) -> Iterator[Item]: ...

    def end(self) -> Iterator[Item]: ...


class RowReader:
    """Push bytes in, get rows and errors out in the order of the lines."""

    def __init__(self, format: Format = "auto") -> None:
        self._format = format
        self._lines = LineReader()
        self._rows: _Rows | None = None
        self._separator: str | None = None  # told by Excel's own first line, "sep=;"

    @property
    def encoding(self) -> str | None:
        """What the input is encoded in; None while all was ASCII."""
        return self._lines.encoding

    @property
    def delimiter(self) -> str | None:
        """What separates the cells of a CSV; None before its header is read, and for NDJSON."""
        return self._rows.delimiter if isinstance(self._rows, _CsvRows) else None

    @property
    def columns(self) -> Sequence[str]:
        """The columns of a CSV, in their order; none before its header is read, and for NDJSON."""
        return self._rows.columns if isinstance(self._rows, _CsvRows) else ()

    @property
    def has_begun(self) -> bool:
        """Whether it is known what the input is: its first line that is not blank has been read."""
        return self._rows is not None

    def feed(self, data: bytes) -> list[Item]:
        """Take more bytes; return what they complete. Raises UnreadableInput."""
        return self._take(self._lines.feed(data))

    def finish(self) -> list[Item]:
        """The input is over; return what is left. Raises UnreadableInput."""
        items = self._take(self._lines.finish())
        if self._rows is None:
            if self._format == "ndjson":
                return items
            raise UnreadableInput("the input is empty: a header row with phone_number is needed")
        items.extend(self._rows.end())
        return items

    def _take(self, lines: list[Line]) -> list[Item]:
        items: list[Item] = []
        for line in lines:
            if self._rows is not None:
                items.extend(self._rows.take(line))
            elif line.problem or line.text.strip():
                items.extend(self._begin(line))
        return items

    def _begin(self, line: Line) -> Iterator[Item]:
        """The first line that is not blank tells what the input is."""
        start = line.text.lstrip()
        if line.problem:
            raise UnreadableInput(f"line {line.number}: {line.problem}")
        if self._format == "ndjson" or (self._format == "auto" and start.startswith("{")):
            self._rows = _JsonRows()
            return self._rows.take(line)
        if start.startswith("["):
            raise UnreadableInput("this is a JSON array: write one object a line (NDJSON), or CSV")
        if separator := re.fullmatch(r"sep=([,;\t])\s*", line.text, re.IGNORECASE):
            self._separator = separator[1]
        else:
            self._rows = _CsvRows(line, self._separator)
        return iter(())


def read_rows(chunks: Iterable[bytes], format: Format = "auto") -> Iterator[Item]:
    """Rows and errors of an input that comes in chunks. Raises UnreadableInput."""
    reader = RowReader(format)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.finish()


# -- CSV -----------------------------------------------------------------------------------------


class _Unclosed(Exception):
    """A quote is still open at the end of the text."""


def _splitter(delimiter: str) -> Callable[[str], list[str]]:
    """A function that cuts a record into cells. It raises _Unclosed, or ValueError for what follows a closing quote.

    RFC 4180, and what Excel does beyond it: a quote inside an unquoted cell is a letter like any other. Spaces
    around an unquoted cell are dropped, those inside quotes are kept.
    """
    quoted = re.compile(rf' *"([^"]*(?:""[^"]*)*)"(?P<after>[^{delimiter}]*)')
    plain = re.compile(rf"[^{delimiter}]*")

    def split(text: str) -> list[str]:
        cells: list[str] = []
        at = 0
        while True:
            if match := quoted.match(text, at):
                if match["after"].strip():
                    raise ValueError(
                        f'something follows the quote that closes cell {len(cells) + 1}: use "" for a quote'
                    )
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
    def __init__(self, header: Line, delimiter: str | None) -> None:
        text = header.text.removesuffix("\r")
        self.delimiter = delimiter or max(_DELIMITERS, key=lambda d: _known_columns(text, d))
        self._split = _splitter(self.delimiter)
        try:
            names = [name.strip().lower() for name in self._split(text)]
        except (_Unclosed, ValueError):
            raise UnreadableInput(f"line {header.number}: the header row is not CSV: {_shown(text)}") from None
        while names and not names[-1]:
            names.pop()  # Excel likes to leave empty columns at the end
        _check_header(header.number, names, text)
        self.columns = names
        self._width = len(names)
        self._at = [names.index(name) if name in names else None for name in COLUMNS]
        self._open: list[Line] = []  # lines of a record with a quote not closed yet

    def take(self, line: Line) -> Iterator[Item]:
        if not self._open and '"' not in line.text and line.problem is None:  # nearly every line there is
            cells = [cell.strip() for cell in line.text.split(self.delimiter)]
            return self._row(line.number, cells)
        return self._take_slowly(deque([line]))

    def end(self) -> Iterator[Item]:
        while self._open:
            yield from self._give_up("a quote that opens in this line is never closed", deque(), last=True)

    def _take_slowly(self, todo: deque[Line]) -> Iterator[Item]:
        while todo:
            line = todo.popleft()
            if line.problem is not None:
                yield from self._give_up("a quote that opens in this line is never closed", todo)
                yield RowError(line.number, "", line.problem)
                continue
            self._open.append(line)
            if len(self._open) > _MAX_RECORD_LINES or sum(len(each.text) for each in self._open) > MAX_LINE_BYTES:
                yield from self._give_up("a quote that opens in this line is never closed", todo)
            elif len(self._open) == 1 or '"' in line.text:
                yield from self._try_record(todo)

    def _try_record(self, todo: deque[Line]) -> Iterator[Item]:
        text = "\n".join(line.text for line in self._open).removesuffix("\r")
        try:
            cells = self._split(text)
        except _Unclosed:
            return
        except ValueError as error:
            yield from self._give_up(str(error), todo)
            return
        first = self._open[0].number
        self._open = []
        yield from self._row(first, cells)

    def _give_up(self, message: str, todo: deque[Line], *, last: bool = False) -> Iterator[Item]:
        """Reject the line where the open record began, and read the lines after it as rows of their own."""
        if not self._open:
            return
        first, *rest = self._open
        self._open = []
        yield RowError(first.number, "", message)
        if last:
            yield from self._take_slowly(deque(rest))
        else:
            todo.extendleft(reversed(rest))

    def _row(self, number: int, cells: list[str]) -> Iterator[Item]:
        if len(cells) != self._width:
            if not any(cells):
                return  # a blank line, or ";;;" as Excel writes one
            if len(cells) < self._width or any(cells[self._width :]):
                yield RowError(number, "", f"has {_count(len(cells), 'cell')}, the header has {self._width}")
                return
        elif not any(cells):
            return
        phone, code, tag, zone = (None if at is None else _unguarded(cells[at]) for at in self._at)
        yield ClientRow(number, phone or "", code, tag, zone)


def _known_columns(header: str, delimiter: str) -> tuple[int, int]:
    names = {name.strip(' "\t').lower() for name in header.split(delimiter)}
    return len(names.intersection(COLUMNS)), len(names)


def _check_header(number: int, names: Sequence[str], text: str) -> None:
    expected = ", ".join(COLUMNS)
    if not set(names).intersection(COLUMNS):
        raise UnreadableInput(f"line {number} must name the columns ({expected}), but it is: {_shown(text)}")
    for name in names:
        if name not in COLUMNS:
            raise UnreadableInput(f"line {number}: unknown column {_shown(name)}; the columns are {expected}")
        if names.count(name) > 1:
            raise UnreadableInput(f'line {number}: the column "{name}" is there twice')
    if "phone_number" not in names:
        raise UnreadableInput(f'line {number}: the column "phone_number" is missing')


def _shown(text: str) -> str:
    """Somebody else's text, short and safe to print."""
    return repr(text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# -- NDJSON ----------------------------------------------------------------------------------------


class _JsonRows:
    def take(self, line: Line) -> Iterator[Item]:
        if line.problem is not None:
            yield RowError(line.number, "", line.problem)
            return
        if not line.text.strip():
            return
        try:
            value = orjson.loads(line.text)
        except orjson.JSONDecodeError:
            yield RowError(line.number, "", "the line is not valid JSON")
            return
        if not isinstance(value, dict):
            yield RowError(line.number, "", "the line must be a JSON object")
            return
        yield from self._row(line.number, value)

    def end(self) -> Iterator[Item]:
        return iter(())

    def _row(self, number: int, value: dict[str, object]) -> Iterator[Item]:
        unknown = [name for name in value if name not in COLUMNS]
        errors = [RowError(number, name[:_MAX_SHOWN], "unknown field") for name in unknown[:_MAX_ROW_ERRORS]]
        if len(unknown) > _MAX_ROW_ERRORS:
            errors.append(RowError(number, "", f"and {len(unknown) - _MAX_ROW_ERRORS} more unknown fields"))
        errors += [
            RowError(number, name, "must be a text in quotes")
            for name in COLUMNS
            if not isinstance(value.get(name), str | None)
        ]
        if errors:
            yield from errors
            return
        texts = [text if isinstance(text := value.get(name), str) else None for name in COLUMNS]
        yield ClientRow(number, texts[0] or "", texts[1], texts[2], texts[3])


# -- writing ---------------------------------------------------------------------------------------

_NEEDS_QUOTES = re.compile(r'[",;\t\r\n]|^\s|\s$')
# A table program runs a cell that begins with one of these as a formula; an apostrophe before it makes it a text
# (https://owasp.org/www-community/attacks/CSV_Injection). The reader takes one away again, so what really begins with
# apostrophes and such a character gets one more in every CSV.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_LIKE_GUARDED: Final = re.compile(r"'+[=+\-@\t\r]")


def csv_row(cells: Sequence[str], delimiter: str = ",", *, is_for_excel: bool = False) -> str:
    """A CSV line with its line end; `csv_row(COLUMNS)` is the header. `RowReader` reads back exactly what it writes.

    Args:
        is_for_excel: cells that a table program would take for formulas get an apostrophe.
    """
    guarded = _FORMULA if is_for_excel else _LIKE_GUARDED
    return delimiter.join([_csv_cell(f"'{cell}" if guarded.match(cell) else cell) for cell in cells]) + "\n"


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _LIKE_GUARDED.match(cell) else cell


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def ndjson_row(cells: Sequence[str]) -> str:
    """An NDJSON line with its line end."""
    return orjson.dumps(dict(zip(COLUMNS, cells, strict=True))).decode() + "\n"
