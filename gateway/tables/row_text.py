"""A client as a line of CSV or NDJSON; ``gateway.tables.csv_rows`` reads back exactly what this writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import orjson

from common.contract.reader import fields_of
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ImportClientsRow

COLUMNS: Final = tuple(
    field.name for field in fields_of(ImportClientsRow.DESCRIPTOR) if field.name not in ("line", "attributes")
)
"""The columns of a CSV but for attributes, and the keys of an NDJSON object, as the contract's row has them. Only
``phone_number`` must be there."""

_cells: Final = attrgetter(*COLUMNS)
_NEEDS_QUOTES: Final = re.compile(r'[",;\t\r\n]|^\s|\s$')
# A table program runs a cell that begins with one of these as a formula; an apostrophe before it makes it a text
# (https://owasp.org/www-community/attacks/CSV_Injection). The reader takes one away again, so what really begins with
# apostrophes and such a character gets one more in every CSV.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_LIKE_GUARDED: Final = re.compile(r"'+[=+\-@\t\r]")


def cells_of(client: Client) -> Sequence[str]:
    """A client's cells, one for each of COLUMNS."""
    cells: Sequence[str] = _cells(client)
    return cells


def csv_row(cells: Sequence[str], delimiter: str = ",", *, is_raw: bool = False) -> str:
    """A CSV line with its line end; ``csv_row(COLUMNS)`` is the header.

    Args:
        is_raw: cells that a table program would run as formulas stay as they are; else an apostrophe guards them.
    """
    guarded = _LIKE_GUARDED if is_raw else _FORMULA
    return delimiter.join([_csv_cell(f"'{cell}" if guarded.match(cell) else cell) for cell in cells]) + "\n"


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that guards it."""
    return cell[1:] if cell[:1] == "'" and _LIKE_GUARDED.match(cell) else cell


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def ndjson_row(cells: Sequence[str]) -> str:
    """An NDJSON line with its line end."""
    return orjson.dumps(dict(zip(COLUMNS, cells, strict=True))).decode() + "\n"
