"""Entries of the stop list as rows of files: their columns, and how they are read and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from common.contract.codec import json_of
from common.contract.reader import fields_of
from gateway.tables.columns import Plan, Unknown
from gateway.tables.import_stream import RowKind
from gateway.tables.table_rows import ImportRow
from mailing.v1.suppression_pb2 import Suppression
from mailing.v1.suppression_service_pb2 import (
    ImportSuppressionsRequest,
    ImportSuppressionsResponse,
    ImportSuppressionsRow,
)

FIELDS: Final = tuple(field.name for field in fields_of(ImportSuppressionsRow.DESCRIPTOR) if field.name != "line")
"""What an import reads. Only ``phone_number`` must be there."""
COLUMNS: Final = tuple(field.name for field in fields_of(Suppression.DESCRIPTOR))
"""The columns of an export."""
PLAN: Final = Plan(unknown=Unknown.IGNORE, fields=FIELDS)
"""How files are read: whatever else stands in them is of no interest here."""


def _row(row: ImportRow) -> ImportSuppressionsRow:
    said = {name: cell for name, cell in zip(FIELDS, row.cells, strict=True) if cell is not None}
    return ImportSuppressionsRow(line=row.line, **said)


SUPPRESSIONS: Final = RowKind(ImportSuppressionsRequest, ImportSuppressionsResponse, _row)


def cells_of(entry: Suppression) -> Sequence[str]:
    """An entry's cells, one for each of COLUMNS."""
    shown = json_of(entry)
    return [shown[name] for name in COLUMNS]


def ndjson_row(entry: Suppression) -> str:
    """An NDJSON line with its line end."""
    return orjson.dumps(dict(zip(COLUMNS, cells_of(entry), strict=True))).decode() + "\n"
