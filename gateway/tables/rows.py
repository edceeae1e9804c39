"""Rows of clients as they are read from a file, and which of its columns are attributes."""

from __future__ import annotations

from typing import Final, NamedTuple

from common.attribute_cells import PREFIX
from common.error_codes import Fault
from gateway.tables.row_text import COLUMNS


class Attributes(NamedTuple):
    """Which columns of a CSV are attributes besides those whose names begin with ``attributes.``, and of what."""

    names: frozenset[str] | None = frozenset()
    """Columns of these names; None: all that are nothing else."""
    numbers_as_text: bool = False
    """A cell that is a plain number stays a text."""

    def name_of(self, column: str) -> str | None:
        """The attribute that a column is; None: it is none."""
        if column in COLUMNS:
            return None
        if column.startswith(PREFIX):
            return column.removeprefix(PREFIX)
        return column if self.names is None or column in self.names else None


class ImportRow(NamedTuple):
    """One row."""

    line: int
    """Where it begins, counted from 1."""
    cells: tuple[str | None, ...]
    """One for each of COLUMNS. None: its column or key is not there, so a client that exists keeps what it has."""
    attributes: str | None = None
    """Those that the row names, as ``ImportClientsRow.attributes`` has them."""

    def cell(self, column: str) -> str | None:
        """The cell of this column."""
        return self.cells[COLUMNS.index(column)]


class RowError(NamedTuple):
    """One thing wrong with one row, which is skipped."""

    line: int
    field: str
    """The column's name, or "" when the row as a whole is bad."""
    message: Fault


Item = ImportRow | RowError
NO_ATTRIBUTES: Final = Attributes()
