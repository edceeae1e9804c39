"""gateway/csv_rows.py and gateway/text_lines.py: what people's files look like, and what we make of them."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.csv_rows import (
    COLUMNS,
    ClientRow,
    RowError,
    RowReader,
    UnreadableInput,
    csv_row,
    ndjson_row,
    read_rows,
)
from gateway.text_lines import MAX_LINE_BYTES

HEADER = b"phone_number,phone_code,tag,time_zone\n"
ROW = ClientRow(2, "79161234567", "916", "new", "Europe/Moscow")
LINE = "79161234567,916,new,Europe/Moscow"


def read(data: bytes) -> list[ClientRow | RowError]:
    return list(read_rows([data]))


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableInput) as caught:
        read(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the two ways agree -----------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
CELLS = st.tuples(TEXT.map(lambda t: "7" + t.strip()), TEXT, TEXT, TEXT)


@given(st.lists(CELLS, max_size=8), st.lists(st.integers(1, 40), max_size=60), st.booleans())
@example([("71", "'", "=1+1", "''@x")], [], True)
@example([("71", "'-1", "+7", "'Tis")], [], False)
def test_what_is_written_is_read_back_whatever_the_chunks(
    rows: list[tuple[str, str, str, str]], cuts: list[int], for_excel: bool
) -> None:
    data = "".join(csv_row(row, is_for_excel=for_excel) for row in [COLUMNS, *rows]).encode()
    items = list(read_rows(chunks((codecs.BOM_UTF8 if for_excel else b"") + data, cuts)))
    assert [tuple(item[1:]) for item in items] == rows


@given(st.lists(CELLS, min_size=1, max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_ndjson_is_read_back_whatever_the_chunks(rows: list[tuple[str, str, str, str]], cuts: list[int]) -> None:
    items = list(read_rows(chunks("".join(map(ndjson_row, rows)).encode(), cuts)))
    assert items == [ClientRow(line, *cells) for line, cells in enumerate(rows, 1)]


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_give_rows_errors_or_one_refusal_the_same_for_any_chunks(data: bytes, cuts: list[int]) -> None:
    for prefix in (b"", HEADER):
        outcomes = []
        for pieces in ([prefix + data], chunks(prefix + data, cuts)):
            try:
                outcomes.append([item for item in read_rows(pieces) if isinstance(item, ClientRow)])
            except UnreadableInput:
                outcomes.append([])
        # An encoding guessed from less text may differ; with plain ASCII nothing is guessed.
        if data.isascii() and b"\0" not in data:
            assert outcomes[0] == outcomes[1]


def chunks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


# -- CSV: its dialects -------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_delimiters_and_line_ends(delimiter: str, newline: str, last: bool) -> None:
    text = delimiter.join(COLUMNS) + newline + LINE.replace(",", delimiter) + (newline if last else "")
    assert read(text.encode()) == [ROW]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_encodings(encoding: str) -> None:
    text = "phone_number;tag\r\n79161234567;новый «друг»\r\n"
    reader = RowReader()
    items = reader.feed(text.encode(encoding)) + reader.finish()
    assert items == [ClientRow(2, "79161234567", None, "новый «друг»", None)]
    assert reader.encoding == {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "cp1251": "windows-1251"}.get(
        encoding, encoding
    )


def test_windows_1251_is_found_out_late() -> None:
    data = b"phone_number,tag\n" + b"79161234567,new\n" * 10_000 + "79161234568,новый\n".encode("cp1251")
    items = list(read_rows(data[at : at + 4096] for at in range(0, len(data), 4096)))
    assert len(items) == 10_001
    assert items[-1] == ClientRow(10_002, "79161234568", None, "новый", None)


def test_columns_in_any_order_and_case() -> None:
    assert read(b"Tag, PHONE_NUMBER \nnew,79161234567\n") == [ClientRow(2, "79161234567", None, "new", None)]


def test_a_column_that_is_missing_is_none_and_an_empty_cell_is_empty() -> None:
    assert read(b"phone_number,tag\n79161234567,\n") == [ClientRow(2, "79161234567", None, "", None)]


def test_quotes() -> None:
    data = b'phone_number,tag\n"1","a, ""b"""\n2, "c\nd" \n3,5" pipe\n'
    assert [(row[0], row[1], row[3]) for row in read(data) if isinstance(row, ClientRow)] == [
        (2, "1", 'a, "b"'),
        (3, "2", "c\nd"),
        (5, "3", '5" pipe'),
    ]


def test_excels_separator_line_and_empty_cells_at_the_end() -> None:
    data = b"sep=;\r\nphone_number;tag;;\r\n79161234567;new;;\r\n;;;\r\n\r\n"
    assert read(data) == [ClientRow(3, "79161234567", None, "new", None)]


# -- CSV: rows that are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"1,2,3", "has 3 cells, the header has 4"),
        (b"1,2,3,4,5", "has 5 cells, the header has 4"),
        (b'"1"x,2,3,4', "follows the quote that closes cell 1"),
        (b'"1,2,3,4', "never closed"),
        (b"1,2,\xff\x98,4", "not valid UTF-8"),
        (b"1,2," + b"x" * MAX_LINE_BYTES + b",4", "longer than 64 KiB"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_the_others_are_read(bad: bytes, message: str) -> None:
    good = LINE.encode()
    for size in (10, 1 << 20):
        data = codecs.BOM_UTF8 + HEADER + good + b"\n" + bad + b"\n" + good + b"\n"
        items = list(read_rows(data[at : at + size] for at in range(0, len(data), size)))
        assert [type(item) for item in items] == [ClientRow, RowError, ClientRow]
        assert (items[1][0], items[2]) == (3, ROW._replace(line=4))
        assert isinstance(items[1], RowError)
        assert message in items[1].message


def test_a_quote_that_is_never_closed_costs_one_row_however_far_the_end() -> None:
    items = read(HEADER + b'"1,2,3,4\n' + (LINE + "\n").encode() * 1000)
    assert isinstance(items[0], RowError)
    assert [item[0] for item in items] == list(range(2, 1003))


# -- input that can't be read at all ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (b"PK\x03\x04" + b"x" * 99, "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1", "Excel"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\x7fELF\x02\x01\0\0\n", "binary"),
        (b"phone_number,name\n1,2\n", "line 1: unknown column 'name'"),
        (b"tag,time_zone\nnew,UTC\n", '"phone_number" is missing'),
        (b"phone_number,tag,tag\n", "twice"),
        (b"79161234567,916\n", "must name the columns (phone_number, phone_code, tag, time_zone)"),
        (b'"phone_number\n', "not CSV"),
        (b"<html><body>404</body></html>", "must name the columns"),
        (b'[{"phone_number": "1"}]', "JSON array"),
        (b"phone_number,tag\n1,\x98\xff\n", "neither UTF-8 nor Windows-1251"),
        (b"x" * (MAX_LINE_BYTES + 1), "longer than 64 KiB"),
    ],
)
def test_unreadable_input_gives_one_clear_sentence(data: bytes, message: str) -> None:
    assert message in refusal(data)


# -- NDJSON ---------------------------------------------------------------------------------------------


def test_ndjson() -> None:
    data = [
        {"phone_number": "1", "tag": None},
        {"phone_number": 2},
        {"phone_number": "3", "colour": "red"},
        {"tag": ""},
    ]
    text = "\n\n".join(json.dumps(row) for row in data) + "\n{\n[]\n"
    assert read(text.encode()) == [
        ClientRow(1, "1", None, None, None),
        RowError(3, "phone_number", "must be a text in quotes"),
        RowError(5, "colour", "unknown field"),
        ClientRow(7, "", None, "", None),
        RowError(8, "", "the line is not valid JSON"),
        RowError(9, "", "the line must be a JSON object"),
    ]


def test_an_empty_ndjson_body_is_no_error_when_the_format_is_told() -> None:
    assert list(read_rows([b""], "ndjson")) == []


# -- size -------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file() -> None:
    page = (LINE + "\n").encode() * 1000

    def pages() -> Iterator[bytes]:
        yield HEADER
        for _ in range(50):
            yield page

    tracemalloc.start()
    count = sum(1 for _ in read_rows(pages()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 20 * len(page)
