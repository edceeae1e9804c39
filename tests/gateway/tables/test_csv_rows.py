"""Rows and lines of gateway/tables: what people's files look like, and what we make of them."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.contract.codec import message_of
from common.error_codes import Fault
from gateway.tables.csv_rows import (
    COLUMNS,
    ImportRow,
    Item,
    RowError,
    RowReader,
    UnknownEncoding,
    UnreadableInput,
    csv_row,
    ndjson_row,
    read_rows,
)
from gateway.tables.encodings import encoding_of
from gateway.tables.text_lines import MAX_LINE_BYTES
from mailing.v1.client_pb2 import Client

HEADER = b"phone_number,phone_code,tag,time_zone\n"


def row_of(line: int, *cells: str | None) -> ImportRow:
    """A row of these cells, and of columns that are not there."""
    return ImportRow(line, (*cells, *[None] * (len(COLUMNS) - len(cells))))


ROW = row_of(2, "79161234567", "916", "new", "Europe/Moscow")
LINE = "79161234567,916,new,Europe/Moscow"


def bare(items: Iterable[Item]) -> list[Item]:
    """Rows and errors without the cells as they stand in the file."""
    return [item._replace(raw=()) for item in items]


def read(data: bytes) -> list[Item]:
    return bare(read_rows([data]))


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableInput) as caught:
        read(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the two ways agree -----------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
CELLS = st.tuples(TEXT.map(lambda t: "7" + t.strip()), *[TEXT] * (len(COLUMNS) - 1))


@given(st.lists(CELLS, max_size=8), st.lists(st.integers(1, 40), max_size=60), st.booleans())
@example([("71", "'", "=1+1", "''@x", "")], [], True)
@example([("71", "'-1", "+7", "'Tis", "")], [], False)
def test_what_is_written_is_read_back_whatever_the_chunks(
    rows: list[tuple[str, ...]], cuts: list[int], is_raw: bool
) -> None:
    data = "".join(csv_row(row, is_raw=is_raw) for row in [COLUMNS, *rows]).encode()
    items = bare(read_rows(chunks((b"" if is_raw else codecs.BOM_UTF8) + data, cuts)))
    assert [item.cells for item in items if isinstance(item, ImportRow)] == rows


@given(st.lists(CELLS, min_size=1, max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_ndjson_is_read_back_whatever_the_chunks(rows: list[tuple[str, ...]], cuts: list[int]) -> None:
    clients = [message_of(Client, dict(zip(COLUMNS, cells, strict=True))) for cells in rows]
    items = bare(read_rows(chunks("".join(map(ndjson_row, clients)).encode(), cuts)))
    assert bare(items) == [row_of(line, *cells)._replace(attributes="{}") for line, cells in enumerate(rows, 1)]


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_give_rows_errors_or_one_refusal_the_same_for_any_chunks(data: bytes, cuts: list[int]) -> None:
    for prefix in (b"", HEADER):
        outcomes = []
        for pieces in ([prefix + data], chunks(prefix + data, cuts)):
            try:
                outcomes.append([item for item in read_rows(pieces) if isinstance(item, ImportRow)])
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
    assert read(text.encode()) == [row_of(2, *LINE.split(","), "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_encodings(encoding: str) -> None:
    text = "phone_number;tag\r\n79161234567;новый «друг»\r\n"
    reader = RowReader()
    items = bare(reader.feed(text.encode(encoding)) + reader.finish())
    assert items == [row_of(2, "79161234567", None, "новый «друг»", None)]
    assert reader.encoding == {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "cp1251": "windows-1251"}.get(
        encoding, encoding
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_utf_16_without_a_mark(encoding: str, size: int) -> None:
    data = ("Телефон\ttag\r\n" + "79161234567\tновый «друг»\r\n" * 200).encode(encoding)
    reader = RowReader()
    items = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size])] + reader.finish()
    assert bare(items) == [row_of(line, "79161234567", None, "новый «друг»", None) for line in range(2, 202)]
    assert reader.encoding == encoding


def test_windows_1251_is_found_out_late() -> None:
    data = b"phone_number,tag\n" + b"79161234567,new\n" * 10_000 + "79161234568,новый\n".encode("cp1251")
    items = bare(read_rows(data[at : at + 4096] for at in range(0, len(data), 4096)))
    assert len(items) == 10_001
    assert items[-1] == row_of(10_002, "79161234568", None, "новый", None)


# -- the encoding that a sender names ------------------------------------------------------------------

NAMED = {
    "utf-8": "Müller Новый", "utf-16": "Müller Новый", "utf-16-le": "Müller Новый", "utf-16-be": "Müller Новый",
    "windows-1251": "Новый", "koi8-r": "Новый", "cp866": "Новый", "iso-8859-5": "Новый", "mac-cyrillic": "Новый",
    "windows-1252": "Müller", "iso8859-15": "Müller €", "gb18030": "Новый 中文",
}  # fmt: skip


def with_encoding(data: bytes, encoding: str, size: int = 1 << 20) -> list[ImportRow | RowError]:
    reader = RowReader(encoding=encoding)
    items = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size])]
    return bare(items + reader.finish())


@pytest.mark.parametrize("encoding", NAMED)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_named_encoding_is_obeyed(encoding: str, mark: str, size: int) -> None:
    mark = mark if encoding.startswith(("utf", "gb")) and encoding != "utf-16" else ""
    data = f"{mark}phone_number;tag\r\n79161234567;{NAMED[encoding]}\r\n".encode(encoding)
    assert with_encoding(data, encoding, size) == [row_of(2, "79161234567", None, NAMED[encoding], None)]
    assert [*NAMED] == [encoding_of(each) for each in NAMED]


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("utf-8", b"\xcd\xee\xe2"),
        ("windows-1251", b"\x98"),
        ("windows-1252", b"\x81"),
        ("ascii", b"\xe9"),
        ("gb18030", b"\xff"),
        ("utf-16-le", b"\x00\xd8"),
    ],
)
@pytest.mark.parametrize("size", [1, 16, 1 << 20])
def test_what_is_not_in_the_encoding_that_was_named_is_refused_with_its_line(
    encoding: str, bad: bytes, size: int
) -> None:
    lines = ["phone_number,tag\n", *["79161234567,new\n"] * 5, "79161234567,", "\n79161234567,new\n"]
    data = "".join(lines[:7]).encode(encoding) + bad + lines[7].encode(encoding)
    with pytest.raises(UnknownEncoding, match=f"^line 7 is not {encoding.upper()} text, the encoding that was named$"):
        with_encoding(data, encoding, size)


# -- files that Windows-1251 would turn into nonsense --------------------------------------------------

WRONG = [("Müller", "windows-1252"), ("Новые клиенты", "koi8-r"), ("новые клиенты", "koi8-r"), ("новые", "iso-8859-5")]


@pytest.mark.parametrize(("tag", "encoding"), WRONG)
@pytest.mark.parametrize("size", [3, 1 << 20])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_row_that_looks_wrong_in_windows_1251_is_an_error_with_a_hint(
    tag: str, encoding: str, size: int, form: str
) -> None:
    head = "phone_number,tag\n" if form == "csv" else ""
    row = "79161234567,{}\n" if form == "csv" else '{{"phone_number": "79161234567", "tag": "{}"}}\n'
    data = (head + row.format("new")).encode() + row.format(tag).encode(encoding)
    good, bad = read_rows(data[at : at + size] for at in range(0, len(data), size))
    assert isinstance(good, ImportRow)
    assert isinstance(bad, RowError)
    assert (good.cell("tag"), bad.line, bad.field) == ("new", good.line + 1, "tag")
    word = tag.split(maxsplit=1)[0].encode(encoding).decode("cp1251")
    assert word[:5] in bad.message or bad.message.startswith("reads '")
    assert bad.message.endswith("which looks wrong: name the encoding of the file (charset, --encoding)")
    # Named, it is read.
    assert [row.cell("tag") for row in with_encoding(data, encoding, size) if isinstance(row, ImportRow)] == [
        "new",
        tag,
    ]


def test_one_wrong_row_among_russian_ones_is_left_out_and_most_wrong_ones_cast_doubt_on_the_others() -> None:
    russian = "phone_number,tag\n1,Новые клиенты\n2,МТС\n3,Mьller\n4,VIP клиент\n".encode("cp1251")
    assert [(row[0], type(row)) for row in read(russian) if isinstance(row, RowError)] == [(4, RowError)]
    # "вка" of KOI8-R could be an abbreviation, ЧЛБ: not one row of this file is believed.
    koi8 = "phone_number,tag\n1,Новые клиенты\n2,вка\n3,Старые клиенты\n4,vip\n".encode("koi8-r")
    errors = [row for row in read(koi8) if isinstance(row, RowError)]
    assert [error.line for error in errors] == [2, 3, 4]
    assert "as most other rows" in errors[1].message


def test_columns_in_any_order_and_case() -> None:
    assert read(b"Tag, PHONE_NUMBER \nnew,79161234567\n") == [row_of(2, "79161234567", None, "new", None)]


def test_a_column_that_is_missing_is_none_and_an_empty_cell_is_empty() -> None:
    assert read(b"phone_number,tag\n79161234567,\n") == [row_of(2, "79161234567", None, "", None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_row_with_fewer_cells_than_the_header_has_empty_ones_at_its_end(delimiter: str) -> None:
    lines = ("79161234567,916,new", "79161234567,916", '"79161234567"', "79161234567,916,new,UTC,ru,,", ",,")
    text = "\n".join([",".join(COLUMNS), *lines]).replace(",", delimiter)
    assert read(text.encode()) == [
        row_of(2, "79161234567", "916", "new", "", ""),
        row_of(3, "79161234567", "916", "", "", ""),
        row_of(4, "79161234567", "", "", "", ""),
        row_of(5, "79161234567", "916", "new", "UTC", "ru"),
    ]


def test_quotes() -> None:
    data = b'phone_number,tag\n"1","a, ""b"""\n2, "c\nd" \n3,5" pipe\n'
    assert [(row.line, row.cells[0], row.cells[2]) for row in read(data) if isinstance(row, ImportRow)] == [
        (2, "1", 'a, "b"'),
        (3, "2", "c\nd"),
        (5, "3", '5" pipe'),
    ]


def test_excels_separator_line_and_empty_cells_at_the_end() -> None:
    data = b"sep=;\r\nphone_number;tag;;\r\n79161234567;new;;\r\n;;;\r\n\r\n"
    assert read(data) == [row_of(3, "79161234567", None, "new", None)]


# -- CSV: rows that are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
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
        items = bare(read_rows(data[at : at + size] for at in range(0, len(data), size)))
        assert [type(item) for item in items] == [ImportRow, RowError, ImportRow]
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
        (b"79161234567,916\n", "must name the columns (phone_number, phone_code, tag, time_zone, language)"),
        (b'"phone_number\n', "not CSV"),
        (b"<html><body>404</body></html>", "must name the columns"),
        (b'[{"phone_number": "1"}]', "JSON array"),
        (b"phone_number,tag\n1,\x98\xff\n", "neither UTF-8 nor Windows-1251 text: name the encoding"),
        ("phone_number,tag\n1,Москва\n".encode("mac-cyrillic"), "neither UTF-8 nor Windows-1251 text: name the enc"),
        (b"x" * (MAX_LINE_BYTES + 1), "longer than 64 KiB"),
    ],
)
def test_unreadable_input_gives_one_clear_sentence(data: bytes, message: str) -> None:
    assert message in refusal(data)


# -- NDJSON ---------------------------------------------------------------------------------------------


def test_ndjson() -> None:
    data = [
        {"phone_number": "1", "tag": None},
        {"phone_number": 79161234567},
        {"phone_number": "3", "colour": "red"},
        {"tag": ""},
    ]
    text = "\n\n".join(json.dumps(row) for row in data) + "\n{\n[]\n"
    assert read(text.encode()) == [
        row_of(1, "1", None, None, None),
        row_of(3, "79161234567", None, None, None),
        RowError(5, "colour", Fault("unknown field")),
        row_of(7, None, None, "", None),
        RowError(8, "", Fault("the line is not valid JSON")),
        RowError(9, "", Fault("the line must be a JSON object")),
    ]


@pytest.mark.parametrize("phone", ["79161234567.0", "7.9161234567E+10", "true", "[]", "1" * 30])
def test_a_number_that_went_through_a_table_is_no_phone_number_in_ndjson(phone: str) -> None:
    message = "must be a text in quotes, or a whole number"
    assert read(f'{{"phone_number": {phone}}}'.encode()) == [RowError(1, "phone_number", Fault(message))]
    assert read(b'{"phone_number": "7", "tag": 5}') == [RowError(1, "tag", Fault("must be a text in quotes"))]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("79161234567.0", "79161234567"),
        ("79161234567,00", "79161234567"),
        ("9161234567.0", "9161234567"),
        ("7771234567.0", "7771234567"),  # ten digits that begin with 7: the engine refuses them
        *((cell, cell) for cell in ("79161234567.5", "7.0E+10", "8 916 123-45-67.0", "79161234567.", "a.0")),
    ],
)
def test_a_whole_number_that_is_written_as_a_decimal_is_that_phone_number(cell: str, number: str) -> None:
    (row,) = read_rows([f"phone_number;tag\n{cell};1.0\n".encode()])
    assert isinstance(row, ImportRow)
    assert (row.cell("phone_number"), row.cell("tag"), row.raw) == (number, "1.0", [cell, "1.0"])


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
