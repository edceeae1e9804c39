"""Pages of an import fit into the engine's messages, however long the rows are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.error_codes import Fault
from engine.api.server import MESSAGE_BYTES_MAX
from gateway.tables.csv_rows import ImportRow, Item, RowError
from gateway.tables.import_stream import CLIENTS, PAGE_ROWS, ROW_BYTES_MAX, _pages, _Rejected, row_message
from mailing.v1.client_service_pb2 import ImportClientsRequest


class Reader:
    """Has read these rows."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = list(items)

    def feed(self, _: bytes) -> list[Item]:
        return self._items

    def finish(self) -> list[Item]:
        return []


async def chunks() -> AsyncIterator[bytes]:
    yield b"x"


async def pages_of(items: Sequence[Item]) -> tuple[list[list[Any]], _Rejected]:
    rejected = _Rejected()
    reader: Any = Reader(items)
    return [page async for page in _pages(chunks(), reader, rejected, CLIENTS)], rejected


lengths = st.lists(st.sampled_from([1, 64, 1_000, 100_000, ROW_BYTES_MAX - 100, ROW_BYTES_MAX, 3_000_000]), max_size=12)


@given(lengths)
async def test_pages_are_small_and_no_row_is_lost(found: list[int]) -> None:
    rows = [
        ImportRow(number, ("79161234567", None, "x" * length, None, None)) for number, length in enumerate(found, 1)
    ]
    pages, rejected = await pages_of(rows)
    assert all(ImportClientsRequest(rows=page).ByteSize() < MESSAGE_BYTES_MAX for page in pages)
    kept = [row.line for page in pages for row in page]
    assert sorted([*kept, *(error.line for error in rejected.kept)]) == [row.line for row in rows]
    assert all(len(row.cell("tag") or "") > ROW_BYTES_MAX - 100 for row in rows if row.line not in kept)


async def test_pages_of_usual_rows_have_a_thousand() -> None:
    rows: list[Item] = [ImportRow(n, ("79161234567", "916", "я" * 64, "Europe/Moscow", "ru")) for n in range(2_500)]
    pages, rejected = await pages_of([*rows, RowError(9_999, "tag", Fault("is bad"))])
    assert [len(page) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 500]
    assert rejected.count == 1


def test_a_row_of_the_contract() -> None:
    row = row_message(ImportRow(2, ("7916", None, "", "UTC", None)))
    assert (row.line, row.phone_number, row.time_zone) == (2, "7916", "UTC")
    assert (row.HasField("phone_code"), row.HasField("tag")) == (False, True)
    assert row_message(ImportRow(2, (None,) * 5)).phone_number == ""
