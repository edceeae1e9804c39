"""Quotes of CSV: what is legal comes back as it was, and no line from inside a cell becomes a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.contract.codec import message_of
from gateway.tables.columns import Plan, Unknown
from gateway.tables.csv_rows import ImportRow, RowError, RowReader
from gateway.tables.row_text import columns_with, csv_row, csv_writer
from gateway.tables.suppression_rows import PLAN as STOP_LIST
from mailing.v1.client_pb2 import Client

ALL = Plan(attributes=None)
CELL = st.text(st.sampled_from('""\n\r,;\t\' a7я'), max_size=10)
ROWS = st.lists(st.tuples(CELL, CELL, CELL).map(lambda row: [f"7{row[0]}", *row[1:]]), max_size=6)
CUTS = st.lists(st.integers(1, 30), max_size=30)
PIECE = "8 916 600-00-99"


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def read(text: str, sizes: list[int] | None = None, plan: Plan = ALL) -> list[ImportRow | RowError]:
    reader = RowReader("csv", plan=plan)
    items = [item for piece in pieces(text.encode(), sizes or []) for item in reader.feed(piece)]
    return items + reader.finish()


@given(ROWS, CUTS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
@example([["7", "a", 'x ""y"", z:\n' + PIECE + '\nw"']], [40], ";", "\n")
def test_cells_that_the_csv_module_writes_come_back_whatever_the_chunks(
    rows: list[list[str]], cuts: list[int], delimiter: str, newline: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([["phone_number", "a", "b"], *rows])
    assert [item.raw for item in read(file.getvalue(), cuts)] == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("plan", [ALL, STOP_LIST])
def test_a_doubled_quote_before_a_line_end_does_not_close_its_cell(delimiter: str, plan: Plan) -> None:
    cells = ["Телефон", "Имя", "Комментарий", "8 916 600-00-01", "Анна"]
    comment = f'"просит ""не звонить"": брат\n{PIECE}\nжена"'
    text = delimiter.join(cells[:3]) + "\n" + delimiter.join([*cells[3:], comment]) + "\n"
    (row,) = read(text, plan=plan)
    assert list(row.raw) == [*cells[3:], f'просит "не звонить": брат\n{PIECE}\nжена']


def test_an_export_of_such_a_cell_is_imported_again() -> None:
    note = f'said "no", brother:\n{PIECE}\n"wife"'
    client = message_of(Client, {"phone_number": "79166000001", "attributes": {"note": note}})
    (row,) = read(csv_row(columns_with(["note"])) + csv_writer(["note"])(client))
    assert list(row.raw) == ["79166000001", *[""] * (len(row.raw) - 2), note]


BROKEN = {
    "not doubled": f'79166000001;Anna;"she "said": \n{PIECE}\n{PIECE};x\nwife"',
    "never closed": f'79166000001;Anna;"she said:\n{PIECE}\n{PIECE};x\nwife',
    "too long to be closed": f'79166000001;Anna;"she said:\n{(PIECE + chr(10)) * 200}wife"',
    "a line too long": f'79166000001;Anna;"she said:\n{PIECE}\n{"x" * 70_000}\n{PIECE}\nwife"',
    "no text in the encoding": f'79166000001;Anna;"she said:\n{PIECE}\n{{}}\n{PIECE}\nwife"',
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("size", [20, 1 << 20])
def test_below_broken_quotes_only_whole_rows_are_rows(kind: str, size: int) -> None:
    bad = ("\ufeffphone_number;a;b\n" + BROKEN[kind] + "\n\n79166000002;x;y\n").encode().replace(b"{}", b"\xff")
    reader = RowReader("csv", plan=ALL)
    items = [item for at in range(0, len(bad), size) for item in reader.feed(bad[at : at + size])]
    items += reader.finish()
    assert [item.raw[0] for item in items if isinstance(item, ImportRow)] == ["79166000002"]
    errors = [item for item in items if isinstance(item, RowError)]
    assert [error.line for error in errors] == [*range(2, 2 + BROKEN[kind].count("\n") + 1)]
    assert {error.message.arguments["line"] for error in errors if error.message.code == "ROW_IN_QUOTE"} == {"2"}
    assert not any(PIECE in cell for error in errors[1:] for cell in error.raw)  # else it were a row the next time


def test_a_table_of_one_column_has_no_whole_rows_below_broken_quotes() -> None:
    items = read(f'phone_number\n79166000001\n"7916 "x"\n{PIECE}\n', plan=Plan(unknown=Unknown.IGNORE))
    assert [type(item) for item in items] == [ImportRow, RowError, RowError]
