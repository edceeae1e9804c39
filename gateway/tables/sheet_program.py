"""Reads a workbook from standard input and writes the rows of its first sheet that has any, as JSON lines.

This runs as a process of its own (``gateway.tables.workbook``). A workbook is an archive of XML: one of a few kilobytes
may unfold to gigabytes, or keep a reader busy for hours. So the memory and the time that reading takes are this
process's, the system bounds them, and it knows no secret. It imports nothing of ours: its arguments are all it needs.

Lines out: ``{"sheet": NAME}``, then ``[row number, [cells], [merged]]`` for each row that is not empty, or
``[row number, null, []]`` for one that is too long; or ``{"problem": WORD}`` alone. ``merged`` has
``[place, row number, text]`` of each empty cell that is merged with one above, which alone has the value of both.
"""

from __future__ import annotations

import datetime
import resource
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import orjson
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

_MIDNIGHT = datetime.time()
_EXACT_BELOW = 10**15
"""Excel keeps 15 digits of a number."""


class _Above(NamedTuple):
    """The cell that others below it are merged with."""

    last: int
    """The number of the last row that is merged with it."""
    number: int
    """Its row."""
    text: str


class _Row(NamedTuple):
    number: int
    cells: Sequence[str] | None
    merged: Sequence[tuple[int, int, str]] = ()


def main(argv: list[str]) -> int:
    """Read; the arguments are bounds: bytes of memory, seconds of computing, bytes of a line."""
    memory_bytes, seconds, line_bytes_max = map(int, argv)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        for line in lines_of(sys.stdin.buffer, line_bytes_max):
            sys.stdout.buffer.write(line)
    except PasswordError:
        sys.stdout.buffer.write(_line({"problem": "locked"}))
    except MemoryError:
        sys.stdout.buffer.write(_line({"problem": "large"}))
    except CalamineError:
        sys.stdout.buffer.write(_line({"problem": "unreadable"}))
    return 0


def lines_of(file: BinaryIO, line_bytes_max: int) -> Iterator[bytes]:
    """What this program writes for a workbook."""
    workbook = CalamineWorkbook.from_filelike(file)
    for meta in workbook.sheets_metadata:
        if meta.typ == SheetTypeEnum.WorkSheet:
            rows = _rows(workbook.get_sheet_by_name(meta.name))
            first = next(rows, None)
            if first is not None:
                yield _line({"sheet": meta.name})
                yield _row_line(first, line_bytes_max)
                yield from (_row_line(row, line_bytes_max) for row in rows)
                return
    yield _line({"problem": "empty"})


def _rows(sheet: CalamineSheet) -> Iterator[_Row]:
    """The rows that have cells; rows above the first one count, columns before the first do not."""
    merges, above = _merges(sheet), dict[int, _Above]()
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = [text_of(value) for value in values]
        merged = _merged(above, number, cells) if above else []
        for place, last in merges.pop(number, ()):
            above[place] = _Above(last, number, cells[place])
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield _Row(number, cells, merged)


def _merges(sheet: CalamineSheet) -> dict[int, list[tuple[int, int]]]:
    """By the number of a row the places of its cells with which cells below are merged, and the last row of each.

    Of cells that are merged with one beside them nothing is said: a title stands so above several columns.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        place = left - (sheet.start or (0, 0))[1]
        if bottom > top and 0 <= place < sheet.width:
            found.setdefault(top + 1, []).append((place, bottom + 1))
    return found


def _merged(above: dict[int, _Above], number: int, cells: Sequence[str]) -> list[tuple[int, int, str]]:
    """What the empty cells of a row are merged with; what ends above it is forgotten."""
    for place in [place for place, each in above.items() if each.last < number]:
        del above[place]
    return [(place, each.number, each.text) for place, each in above.items() if each.text and not cells[place]]


def text_of(value: Any) -> str:
    """A cell as people read it: a whole number without a point, a date as ISO 8601 has it."""
    match value:
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _EXACT_BELOW:
            return str(int(value))
        case float():
            return f"{value:.15G}"
        case datetime.datetime() if value.time() == _MIDNIGHT:
            return value.date().isoformat()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def _row_line(row: _Row, bytes_max: int) -> bytes:
    line = _line((*row,))
    return line if len(line) <= bytes_max else _line((row.number, None, ()))


def _line(value: object) -> bytes:
    return orjson.dumps(value) + b"\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
