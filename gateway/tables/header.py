"""Which row of a table is its header: of a CSV as of a workbook's sheet.

Above it may stand a title, a date, whose list it is. So it is not the first row, but the one among the first rows that
names the most: the phone number before all, then as many fields as there are. A row with a phone number in a cell
is no header, and ends the search; unless none above names the phone number: it may be that of a company's letterhead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.tables.columns import Plan, is_named_surely
from gateway.tables.table_rows import PHONE, fields_named, has_number

ROWS_MAX: Final = 20
"""Among so many rows the header is looked for."""
_CHARACTERS_MAX: Final = 64 * 1024
"""Of all these rows together; the last of them may be longer."""


class Found(NamedTuple):
    """The likeliest header of some rows; a greater one is likelier."""

    names_phone: bool
    names: int
    """How many fields it names."""
    is_sure: bool
    """It calls the phone number by a name, and does not merely speak of phones, as a title may."""
    is_wide: bool
    """It has two cells at least."""
    alike: int = 0
    """How many of the rows have as many cells: where lines could be cut in several ways, most are cut alike in one."""
    width: int = 0
    at: int = 0
    """Its place among the rows; of two that are as likely the first one is it."""


_OF_A_CLIENT: Final = Found(names_phone=False, names=-1, is_sure=False, is_wide=False)


class HeaderSearch:
    """Give it the rows of a table as they come."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._found: list[Found] = []
        self._characters = 0
        self._has_number = False

    def add(self, cells: Sequence[str]) -> bool:
        """Look at the next row, which is not blank. Return whether the header is known."""
        named = fields_named(cells, self._plan)
        is_sure, is_wide = is_named_surely(PHONE, cells, self._plan), sum(map(bool, cells)) > 1
        judged = Found(PHONE in named, len(named), is_sure, is_wide)
        is_of_client = has_number(cells)
        # Below a number a cell that speaks of phones is not worth the rows above it.
        if is_of_client or (self._has_number and not (is_sure or len(named) > 1)):
            judged = _OF_A_CLIENT
        self._has_number = self._has_number or is_of_client
        self._found.append(judged._replace(width=len(cells), at=len(self._found)))
        self._characters += sum(map(len, cells))
        is_full = len(self._found) == ROWS_MAX or self._characters >= _CHARACTERS_MAX
        return is_full or (self._has_number and any(each.names_phone for each in self._found))

    @property
    def best(self) -> Found:
        """The likeliest header; of no rows one that is the least likely."""
        found = max(self._found, key=lambda each: (each[:4], -each.at), default=_OF_A_CLIENT)
        return found._replace(alike=sum(each.width == found.width for each in self._found))
