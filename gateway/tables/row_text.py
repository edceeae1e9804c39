"""A client as a line of CSV or NDJSON; ``gateway.tables.csv_rows`` reads back exactly what this writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

import orjson

from common.attribute_cells import PREFIX, cell_text
from common.contract.reader import fields_of
from common.contract.values import struct_json
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


def columns_with(names: Sequence[str]) -> list[str]:
    """The columns of a CSV that has these attributes."""
    return [*COLUMNS, *(PREFIX + name for name in names)]


def cells_of(client: Client, names: Sequence[str] = (), *, is_russian: bool = False) -> Sequence[str]:
    """A client's cells, one for each of COLUMNS, then one for each of these attributes.

    Args:
        is_russian: numbers have a decimal comma. Excel takes 1.5 for the first of May where that is so.
    """
    cells: Sequence[str] = _cells(client)
    if not names:
        return cells
    attributes = struct_json(client.attributes)
    found = [cell_text(attributes[name]) if name in attributes else "" for name in names]
    if is_russian:
        found = [
            cell.replace(".", ",") if type(attributes.get(name)) is float else cell
            for name, cell in zip(names, found, strict=True)
        ]
    return [*cells, *found]


def csv_row(cells: Sequence[str], delimiter: str = ",", *, is_raw: bool = False) -> str:
    """A CSV line with its line end; ``csv_row(COLUMNS)`` is the header.

    Args:
        is_raw: cells that a table program would run as formulas stay as they are; else an apostrophe guards them.
    """
    guarded = _LIKE_GUARDED if is_raw else _FORMULA
    return delimiter.join([_csv_cell(f"'{cell}" if guarded.match(cell) else cell) for cell in cells]) + "\n"


def csv_writer(names: Sequence[str], delimiter: str = ",", *, is_raw: bool = False) -> Callable[[Client], str]:
    """Makes a client's line, with these attributes as the last columns; see ``csv_row``. Semicolons separate cells
    where the comma is a decimal one."""
    is_russian = delimiter == ";"
    return lambda client: csv_row(cells_of(client, names, is_russian=is_russian), delimiter, is_raw=is_raw)


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that guards it."""
    return cell[1:] if cell[:1] == "'" and _LIKE_GUARDED.match(cell) else cell


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def ndjson_row(client: Client) -> str:
    """An NDJSON line with its line end."""
    cells = dict(zip(COLUMNS, cells_of(client), strict=True))
    return orjson.dumps({**cells, "attributes": struct_json(client.attributes)}).decode() + "\n"
