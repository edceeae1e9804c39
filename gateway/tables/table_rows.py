"""Rows of clients, and how the cells of a table become one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from common.attribute_cells import cell_value, russian_value, table_value
from common.error_codes import ErrorCode, Fault, Unfit
from common.shown import shows
from gateway.tables.columns import ATTRIBUTE_PREFIX, IGNORE, Column, Plan, Unknown, columns_of, known_fields, shown
from gateway.tables.row_text import COLUMNS, unguarded
from gateway.tables.text_lines import UnreadableInput

PHONE: Final = "phone_number"
"""The column that must be there."""
_NOT_PLAIN: Final = frozenset("'-0123456789tfTFИЛ")
"""How a cell may begin that is another thing than a text as it stands."""
_NUMBER: Final = re.compile(r"(?<![0-9])(?:[78]?9[0-9]{9}|[78][0-9]{10})(?![0-9])")
_WHOLE: Final = re.compile(r"([0-9]+)[.,]0+")
"""``79161234567.0``: how programs write a column of numbers in which a cell is empty."""
_BETWEEN_GROUPS: Final = dict.fromkeys(map(ord, " \u00a0().-\u2010\u2011\u2012\u2013\u2014"))


class ImportRow(NamedTuple):
    """One row."""

    line: int
    """Where it begins, counted from 1."""
    cells: tuple[str | None, ...]
    """One for each of ``Plan.fields``. None: its column or key is not there: a client that exists keeps what it has."""
    attributes: str | None = None
    """The attributes that it names, as a JSON object; null removes one. None: it names none."""
    raw: Sequence[str] = ()
    """The cells as they stand in the file; of NDJSON the line."""

    def cell(self, column: str) -> str | None:
        """The cell of this column."""
        return self.cells[COLUMNS.index(column)]


class RowError(NamedTuple):
    """One thing wrong with one row, which is skipped."""

    line: int
    field: str
    """The column's name, or "" when the row as a whole is bad."""
    message: Fault
    raw: Sequence[str] = ()
    """See ``ImportRow``; empty where the row can't be read."""


Item = ImportRow | RowError


class Table:
    """The rows below one header."""

    def __init__(self, line: int, headers: Sequence[str], plan: Plan, *, is_russian: bool = False) -> None:
        """Understand the header.

        Args:
            is_russian: a comma is a decimal one, whatever follows.

        Raises:
            UnreadableInput: see ``columns_of``.
        """
        self._read = russian_value if is_russian else table_value
        headers = list(headers)
        while headers and not headers[-1].strip():
            headers.pop()  # Excel likes to leave empty columns at the end
        self.columns = _understood(line, headers, plan)
        fields = [column.field for column in self.columns]
        if PHONE not in fields and plan.unknown is not Unknown.PROPOSE:
            raise UnreadableInput(ErrorCode.COLUMN_MISSING.format(line=line, name=PHONE))
        self.phone_at = fields.index(PHONE) if PHONE in fields else None
        """The place of the phone number."""
        self._at = [fields.index(name) if name in fields else None for name in plan.fields]
        self._numbers_as_text = plan.numbers_as_text
        self._attributes = [
            (field.removeprefix(ATTRIBUTE_PREFIX), at)
            for at, field in enumerate(fields)
            if field.startswith(ATTRIBUTE_PREFIX)
        ]

    def row(self, number: int, cells: list[str]) -> Iterator[Item]:
        """What one row of the table is."""
        if not any(cells):
            return  # a blank line, or ";;;" as Excel writes one
        width = len(self.columns)
        if any(cells[width:]):
            yield RowError(number, "", ErrorCode.ROW_CELLS.format(count=len(cells), columns=width), cells)
            return
        cells += [""] * (width - len(cells))  # table programs leave out empty cells at the end of a row
        said = cells
        # Nine numbers of ten end in another digit, and are not looked at any closer.
        if (at := self.phone_at) is not None and cells[at][-1:] == "0" and (whole := _WHOLE.fullmatch(cells[at])):
            said = [*cells[:at], whole[1], *cells[at + 1 :]]
        given = tuple([None if at is None else unguarded(said[at]) for at in self._at])
        more = {
            name: cells[at] if cells[at][:1] not in _NOT_PLAIN and shows(cells[at]) else self._value(cells[at])
            for name, at in self._attributes
        }
        yield ImportRow(number, given, orjson.dumps(more).decode() if more else None, cells)

    def _value(self, cell: str) -> str | float | bool | None:
        return cell_value(unguarded(cell), numbers_as_text=self._numbers_as_text, read=self._read)


def has_number(cells: Sequence[str]) -> bool:
    """Whether a phone number is in one of the cells, however it is written."""
    return any(_NUMBER.search(cell.translate(_BETWEEN_GROUPS)) for cell in cells)


def _understood(line: int, headers: Sequence[str], plan: Plan) -> list[Column]:
    text, names_nothing = shown(", ".join(headers)), not fields_named(headers, plan)
    no_names = ErrorCode.HEADER_WITHOUT_COLUMNS.format(line=line, columns=", ".join(plan.fields), text=text)
    if names_nothing and has_number(headers):
        raise UnreadableInput(no_names)
    try:
        return columns_of(headers, plan, line)
    except Unfit as error:
        is_unknown = error.fault.code == ErrorCode.COLUMN_UNKNOWN.name
        raise UnreadableInput(no_names if is_unknown and names_nothing else error.fault) from None


def fields_named(headers: Sequence[str], plan: Plan = Plan()) -> set[str]:  # noqa: B008 - immutable
    """The fields that a row names as a header would; none: it is no header, or one that says nothing."""
    found = known_fields(headers, plan._replace(unknown=Unknown.IGNORE))
    return {field for field in found if field is not None} - {IGNORE}
