"""Clients as CSV or NDJSON: read row by row in constant memory; ``gateway.tables.row_text`` writes them.

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

from common.attribute_cells import PREFIX, cell_value, is_attribute_name
from common.error_codes import ErrorCode, Fault, Unfit
from gateway.tables.misread import misread
from gateway.tables.row_text import COLUMNS, csv_row, ndjson_row, unguarded
from gateway.tables.rows import NO_ATTRIBUTES, Attributes, ImportRow, Item, RowError
from gateway.tables.text_lines import MAX_LINE_BYTES, Line, LineReader, UnknownEncoding, UnreadableInput

__all__ = [
    "COLUMNS", "ImportRow", "Item",
    "RowError", "RowReader", "UnknownEncoding", "UnreadableInput", "csv_row", "ndjson_row",
    "read_rows",
]  # fmt: skip

Format = Literal["auto", "csv", "ndjson"]

_DELIMITERS = (",", ";", "\t")
_MAX_RECORD_LINES = 64  # a quoted tag may hold line ends, yet it has 64 characters at most
_MAX_SHOWN = 40
_MAX_JUDGED = 128  # characters of a cell; a tag has 64 at most
_MAX_ROW_ERRORS = 10
_NOT_PLAIN = frozenset("'-0123456789tf")
"""How a cell may begin that is another thing than a text as it stands."""
_OF_FILE = {
    ErrorCode.ROW_LINE_TOO_LONG: ErrorCode.FILE_LINE_TOO_LONG,
    ErrorCode.ROW_NOT_IN_ENCODING: ErrorCode.FILE_NOT_AS_BEGUN,
    ErrorCode.ROW_ENCODING_UNKNOWN: ErrorCode.FILE_ENCODING_UNKNOWN,
}
"""What is said of a file whose first line has a problem."""


class _Rows(Protocol):
    def take(self, line: Line) -> Iterator[Item]: ...

    def end(self) -> Iterator[Item]: ...


class RowReader:
    """Push bytes in, get rows and errors out in the order of the lines."""

    def __init__(
        self, format: Format = "auto", encoding: str | None = None, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Begin.

        Args:
            encoding: as ``encoding_of`` returns it; ``None``: it is told from the bytes, and rows in doubt are errors.
        """
        self._format, self._attributes = format, attributes
        self._lines = LineReader(encoding)
        self._misread = _Misread()
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
        if self._format == "ndjson" or (self._format == "auto" and start.startswith("{")):
            self._rows = _JsonRows()
            return self._rows.take(line)
        if start.startswith("["):
            raise UnreadableInput(ErrorCode.FILE_ARRAY.format())
        if separator := re.fullmatch(r"sep=([,;\t])\s*", line.text, re.IGNORECASE):
            self._separator = separator[1]
        else:
            self._rows = _CsvRows(line, self._separator, self._attributes)
        return iter(())


def read_rows(chunks: Iterable[bytes], format: Format = "auto") -> Iterator[Item]:
    """Rows and errors of an input that comes in chunks. Raises UnreadableInput."""
    reader = RowReader(format)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.finish()


class _Misread:
    """Rows of a file that was taken for Windows-1251: those that look as if it were not become errors."""

    def __init__(self) -> None:
        self._looking_wrong = self._looking_right = 0

    def sifted(self, items: Sequence[Item]) -> list[Item]:
        """Once most rows look wrong, the file is in another encoding, and none with such letters is believed."""
        found = [_wrong_cell(item) if isinstance(item, ImportRow) else None for item in items]
        self._looking_wrong += sum(bool(each and each[1]) for each in found)
        self._looking_right += sum(bool(each and not each[1]) for each in found)
        is_doubted = self._looking_wrong > self._looking_right
        return [
            RowError(item.line, each[0], _looks_wrong(each[1])) if each and (each[1] or is_doubted) else item
            for item, each in zip(items, found, strict=True)
        ]


def _wrong_cell(row: ImportRow) -> tuple[str, str] | None:
    """A column with letters beyond ASCII, and the word in it that looks wrong, or ""; None: there is no such column."""
    found = None
    for name, text in (*zip(COLUMNS, row.cells, strict=True), *_attribute_texts(row)):
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
                yield PREFIX + name, value


def _looks_wrong(word: str) -> Fault:
    if not word:
        return ErrorCode.ROW_IN_DOUBT.format()
    return ErrorCode.ROW_LOOKS_WRONG.format(text=_shown(word))


# -- CSV -----------------------------------------------------------------------------------------


class _Unclosed(Exception):
    """A quote is still open at the end of the text."""


def _splitter(delimiter: str) -> Callable[[str], list[str]]:
    """A function that cuts a record into cells. It raises _Unclosed, or Unfit for what follows a closing quote.

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
    def __init__(self, header: Line, delimiter: str | None, attributes: Attributes) -> None:
        text = header.text.removesuffix("\r")
        self.delimiter = delimiter or max(_DELIMITERS, key=lambda d: _known_columns(text, d))
        self._split = _splitter(self.delimiter)
        try:
            names = [name.strip().lower() for name in self._split(text)]
        except (_Unclosed, Unfit):
            raise UnreadableInput(ErrorCode.HEADER_NOT_CSV.format(line=header.number, text=_shown(text))) from None
        while names and not names[-1]:
            names.pop()  # Excel likes to leave empty columns at the end
        self._attributes = [(name, place) for place, each in enumerate(names) if (name := attributes.name_of(each))]
        _check_header(header.number, names, text, [name for name, _ in self._attributes])
        self.columns = names
        self._numbers_as_text = attributes.numbers_as_text
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
            yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), deque(), last=True)

    def _take_slowly(self, todo: deque[Line]) -> Iterator[Item]:
        while todo:
            line = todo.popleft()
            if line.problem is not None:
                yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), todo)
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

    def _give_up(self, fault: Fault, todo: deque[Line], *, last: bool = False) -> Iterator[Item]:
        """Reject the line where the open record began, and read the lines after it as rows of their own."""
        if not self._open:
            return
        first, *rest = self._open
        self._open = []
        yield RowError(first.number, "", fault)
        if last:
            yield from self._take_slowly(deque(rest))
        else:
            todo.extendleft(reversed(rest))

    def _row(self, number: int, cells: list[str]) -> Iterator[Item]:
        if not any(cells):
            return  # a blank line, or ";;;" as Excel writes one
        if any(cells[self._width :]):
            yield RowError(number, "", ErrorCode.ROW_CELLS.format(count=len(cells), columns=self._width))
            return
        cells += [""] * (self._width - len(cells))  # table programs leave out empty cells at the end of a row
        known = tuple([None if at is None else unguarded(cells[at]) for at in self._at])
        yield ImportRow(number, known, self._attributes_text(cells) if self._attributes else None)

    def _attributes_text(self, cells: Sequence[str]) -> str:
        said = {
            name: cells[at] if cells[at] and cells[at][0] not in _NOT_PLAIN else self._value(cells[at])
            for name, at in self._attributes
        }
        return orjson.dumps(said).decode()

    def _value(self, cell: str) -> str | float | bool | None:
        return cell_value(unguarded(cell), numbers_as_text=self._numbers_as_text)


def _known_columns(header: str, delimiter: str) -> tuple[int, int]:
    names = {name.strip(' "\t').lower() for name in header.split(delimiter)}
    return sum(name in COLUMNS or name.startswith(PREFIX) for name in names), len(names)


def _check_header(number: int, names: Sequence[str], text: str, attributes: Sequence[str]) -> None:
    expected = ", ".join(COLUMNS)
    if not set(names).intersection(COLUMNS):
        raise _bad_header(ErrorCode.HEADER_WITHOUT_COLUMNS, number, columns=expected, text=_shown(text))
    for name in names:
        if name not in COLUMNS and name.removeprefix(PREFIX) not in attributes:
            raise _bad_header(ErrorCode.COLUMN_UNKNOWN, number, name=_shown(name), columns=expected)
        if names.count(name) > 1:
            raise _bad_header(ErrorCode.COLUMN_TWICE, number, name=name)
    for name in attributes:
        if not is_attribute_name(name):
            raise _bad_header(ErrorCode.COLUMN_NO_ATTRIBUTE, number, name=_shown(name))
        if attributes.count(name) > 1:
            raise _bad_header(ErrorCode.COLUMN_TWICE, number, name=name)
    if "phone_number" not in names:
        raise _bad_header(ErrorCode.COLUMN_MISSING, number, name="phone_number")


def _bad_header(code: ErrorCode, line: int, **values: str) -> UnreadableInput:
    return UnreadableInput(code.format(line=line, **values))


def _shown(text: str) -> str:
    """Somebody else's text, short and safe to print."""
    return repr(text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…")


# -- NDJSON ----------------------------------------------------------------------------------------


_UNKNOWN = ErrorCode.ROW_UNKNOWN_FIELD.format()
_NO_TEXT = ErrorCode.ROW_NOT_TEXT.format()
_NO_PHONE = ErrorCode.ROW_NOT_TEXT_OR_WHOLE.format()


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
            yield RowError(line.number, "", ErrorCode.ROW_NOT_JSON.format())
            return
        if not isinstance(value, dict):
            yield RowError(line.number, "", ErrorCode.ROW_NOT_OBJECT.format())
            return
        yield from self._row(line.number, value)

    def end(self) -> Iterator[Item]:
        return iter(())

    def _row(self, number: int, value: dict[str, object]) -> Iterator[Item]:
        attributes = value.pop("attributes", None)
        unknown = [name for name in value if name not in COLUMNS]
        errors = [RowError(number, name[:_MAX_SHOWN], _UNKNOWN) for name in unknown[:_MAX_ROW_ERRORS]]
        if len(unknown) > _MAX_ROW_ERRORS:
            more = ErrorCode.ROW_MORE_UNKNOWN_FIELDS.format(count=len(unknown) - _MAX_ROW_ERRORS)
            errors.append(RowError(number, "", more))
        phone = value.get("phone_number")
        if isinstance(phone, int) and not isinstance(phone, bool):
            value["phone_number"] = str(phone)  # 79161234567.0 is another matter: a table program has made it a decimal
        errors += [
            RowError(number, name, _NO_PHONE if name == "phone_number" else _NO_TEXT)
            for name in COLUMNS
            if not isinstance(value.get(name), str | None)
        ]
        if not isinstance(attributes, dict | None):
            errors.append(RowError(number, "attributes", ErrorCode.NOT_OBJECT.format()))
        if errors:
            yield from errors
            return
        text = None if attributes is None else orjson.dumps(attributes).decode()
        yield ImportRow(number, tuple([value.get(name) for name in COLUMNS]), text)  # type: ignore[misc]  # see above
