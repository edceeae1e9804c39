"""Workbooks for tests, written by hand: as Excel writes them, and as nobody should."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"


Rows = Sequence[Any]


@dataclass(frozen=True)
class Raw:
    """A cell as XML, without its place: attributes of ``<c>``, and what is in it."""

    attributes: str
    content: str


DATE_STYLE: Final = 's="1"'


def workbook(*sheets: tuple[str, Rows], strings: str = "", **files: bytes) -> bytes:
    """A workbook of sheets (name, rows); None is a row or a cell that is not there."""
    return packed(
        {f"xl/worksheets/sheet{n}.xml": sheet_xml(rows) for n, (_, rows) in enumerate(sheets, 1)}
        | frame([name for name, _ in sheets], strings)
        | files
    )


def sheet_xml(rows: Rows) -> str:
    """One sheet."""
    lines = [_row(number, row) for number, row in enumerate(rows, 1) if row is not None]
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def frame(names: Sequence[str], strings: str = "") -> dict[str, str]:
    """All files but the sheets; ``strings``: the table of shared ones, as XML."""
    sheets = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1))
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(names) + 1)
    )
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}'
        f'<Relationship Id="rId90" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId91" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
    }


def packed(files: dict[str, Any]) -> bytes:
    """The archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _row(number: int, row: Sequence[Any]) -> str:
    cells = (_cell(f"{_letters(at)}{number}", value) for at, value in enumerate(row) if value is not None)
    return f'<row r="{number}">{"".join(cells)}</row>'


def _letters(at: int) -> str:
    return ("" if at < 26 else _letters(at // 26 - 1)) + chr(ord("A") + at % 26)


def _cell(place: str, value: Any) -> str:
    match value:
        case Raw():
            return f'<c r="{place}" {value.attributes}>{value.content}</c>'
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f'<c r="{place}"><v>{value!r}</v></c>'
        case _:
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
