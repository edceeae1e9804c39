"""Reads a workbook from standard input and writes the rows of one sheet, as JSON lines: of the one that is named, or of
the first that has any; one that is hidden comes last.

This runs as a process of its own (``gateway.tables.workbook``). A workbook is an archive of XML: one of a few kilobytes
may unfold to gigabytes, or keep a reader busy for hours. So the memory and the time that reading takes are this
process's, the system bounds them, and it knows no secret. It imports nothing of ours: its arguments are all it needs.

Lines out: what is known of the sheet (``_known``), then ``[row number, [cells], [merged]]`` for each row that is not
empty, or ``[row number, null, []]`` for one that is too long; or ``{"problem": WORD}`` alone. ``merged`` has
``[place, row number, text]`` of each empty cell that is merged with one above, which alone has the value of both.
"""

from __future__ import annotations

import datetime
import re
import resource
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple
from xml.etree import ElementTree

import orjson
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

_MIDNIGHT = datetime.time()
_EXACT_BELOW = 10**15
"""Excel keeps 15 digits of a number."""
_OTHERS_MAX = 20
_PIECE_BYTES = 256 * 1024
_CELL_BYTES_MAX = 64 * 1024
"""A longer formula is none that anybody would miss the value of."""
_FORMULA = re.compile(rb"<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
"""A formula without the value that it had when the workbook was saved: programs write such workbooks."""
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})[0-9]+"[^>]*>\s*')
_FILLED = re.compile(rb"<c\b[^>]*>\s*<(?:v|is)\b")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, KeyError, OSError, RuntimeError, ValueError)
"""What the archive may do to who looks into it beside the reader."""


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
    """Read; the arguments are bounds: bytes of memory, seconds of computing, bytes of a line; and a sheet's name, or
    nothing."""
    memory_bytes, seconds, line_bytes_max = map(int, argv[:3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        for line in lines_of(sys.stdin.buffer, line_bytes_max, argv[3]):
            sys.stdout.buffer.write(line)
    except PasswordError:
        sys.stdout.buffer.write(_line({"problem": "locked"}))
    except MemoryError:
        sys.stdout.buffer.write(_line({"problem": "large"}))
    except CalamineError:
        sys.stdout.buffer.write(_line({"problem": "unreadable"}))
    return 0


def lines_of(file: BinaryIO, line_bytes_max: int, wanted: str = "") -> Iterator[bytes]:
    """What this program writes for a workbook; ``wanted``: the sheet's name."""
    workbook = CalamineWorkbook.from_filelike(file)
    metas = [meta for meta in workbook.sheets_metadata if meta.typ == SheetTypeEnum.WorkSheet]
    names = [meta.name for meta in sorted(metas, key=lambda meta: meta.visible != SheetVisibleEnum.Visible)]
    if wanted and wanted not in names:
        yield _line({"problem": "no_sheet", "name": wanted, "names": names[:_OTHERS_MAX]})
        return
    for name in [wanted] if wanted else names:
        sheet = workbook.get_sheet_by_name(name)
        rows = _rows(sheet)
        first = next(rows, None)
        if first is not None:
            others = [meta.name for meta in metas if meta.visible == SheetVisibleEnum.Visible and meta.name != name]
            yield _line(_known(file, sheet, others))
            yield _row_line(first, line_bytes_max)
            yield from (_row_line(row, line_bytes_max) for row in rows)
            return
    yield _line({"problem": "empty"})


def _known(file: BinaryIO, sheet: CalamineSheet, others: Sequence[str]) -> dict[str, Any]:
    """``sheet``, its name; ``others``, the names of those beside it that have cells; ``formulas``, of each column that
    has formulas without values its place, its letters, and how many there are."""
    formulas, filled = Counter[str](), list[str]()
    try:
        with zipfile.ZipFile(file) as archive:
            parts = _parts(archive)
            formulas = _formulas(archive, parts[sheet.name])
            filled = [name for name in others if _is_filled(archive, parts[name])]
    except _UNREADABLE:
        pass  # the reader has read the rows, and these are only told of
    left = (sheet.start or (0, 0))[1]
    places = [(_place(letters) - left, letters, count) for letters, count in formulas.items()]
    return {"sheet": sheet.name, "others": filled[:_OTHERS_MAX], "formulas": sorted(places)}


def _parts(archive: zipfile.ZipFile) -> Mapping[str, str]:
    """The files of the sheets, by their names."""
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {each.get("Id"): each.get("Target", "") for each in links}
    found = {}
    for sheet in ElementTree.fromstring(archive.read("xl/workbook.xml")).iterfind("{*}sheets/{*}sheet"):
        link = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), None)
        target = targets.get(link, "")
        found[sheet.get("name", "")] = target[1:] if target.startswith("/") else f"xl/{target}"
    return found


def _formulas(archive: zipfile.ZipFile, part: str) -> Counter[str]:
    """How many formulas without a value each column has, by its letters."""
    found = Counter[str]()
    with archive.open(part) as file:
        rest = b""
        while piece := file.read(_PIECE_BYTES):
            text = rest + piece
            end = text.rfind(b"</c>") + len(b"</c>") if b"</c>" in text else 0
            rest = text[end:][-_CELL_BYTES_MAX:]
            for formula in _FORMULA.finditer(text, 0, end):
                cell = _CELL.fullmatch(text, max(0, text.rfind(b"<c", 0, formula.start())), formula.start())
                if cell and b't="str"' not in cell[0]:  # a text that is empty has no value either
                    found[cell[1].decode()] += 1
    return found


def _is_filled(archive: zipfile.ZipFile, part: str) -> bool:
    """Whether a sheet has a cell with something in it, near its beginning."""
    with archive.open(part) as file:
        return _FILLED.search(file.read(_PIECE_BYTES)) is not None


def _place(letters: str) -> int:
    """The place of a column, counted from 0: ``AA`` is 26."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


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
