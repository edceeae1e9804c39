"""Attributes in files: which columns they are, and that what is written is read back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.codec import json_of, message_of
from gateway.tables.columns import Plan, is_attribute, plan_of
from gateway.tables.csv_rows import ImportRow, RowError, RowReader, UnreadableInput, csv_row, ndjson_row, read_rows
from gateway.tables.row_text import COLUMNS, columns_with, csv_writer
from mailing.v1.client_pb2 import Client

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES = (
    TEXT | st.integers(-(10**15) + 1, 10**15 - 1) | st.decimals(-(10**6), 10**6, places=3).map(float) | st.booleans()
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["city", "n", "last_visit"]), VALUES)


@given(st.lists(ATTRIBUTES, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_attributes_are_read_back(attributes: list[dict[str, Any]], is_raw: bool, is_csv: bool) -> None:
    clients = [message_of(Client, {"phone_number": "79160000000", "attributes": each}) for each in attributes]
    names = sorted({name for each in attributes for name in each})
    line = csv_writer(names, is_raw=is_raw) if is_csv else ndjson_row
    head = csv_row(columns_with(names)) if is_csv else ""
    items = list(read_rows([(head + "".join(map(line, clients))).encode()]))
    for each, item in zip(attributes, items, strict=True):
        assert isinstance(item, ImportRow)
        said = {name: value for name, value in orjson.loads(item.attributes or "{}").items() if value is not None}
        assert json_of(message_of(Client, {"attributes": said})) == json_of(message_of(Client, {"attributes": each}))


@pytest.mark.parametrize(
    ("attributes", "header", "row", "said"),
    [
        (Plan(), "attributes.city,attributes.n", "Омск,5", {"city": "Омск", "n": 5}),
        (Plan(), "Attributes.City , tag", "true,x", {"city": True}),
        (Plan(), "attributes.city,attributes.n", ",'5", {"city": None, "n": "5"}),
        (Plan(), "attributes.city,attributes.n", '"   ",\u200b', {"city": None, "n": None}),
        (Plan(), "attributes.city,attributes.n", '" x","\'  "', {"city": " x", "n": "  "}),
        (Plan(attributes=None), "city,n", "Омск,120.5", {"city": "Омск", "n": 120.5}),
        (Plan(attributes=frozenset({"city"})), "city,tag", "1e5,x", {"city": "1e5"}),
        (Plan(attributes=None, numbers_as_text=True), "city,n", "true,120.5", {"city": "true", "n": "120.5"}),
        (Plan(), "tag", "x", None),
    ],
)
def test_columns_that_are_attributes(attributes: Plan, header: str, row: str, said: Any) -> None:
    reader = RowReader("csv", plan=attributes)
    (item,) = read_all(reader, f"phone_number,{header}\n79160000000,{row}\n".encode())
    assert isinstance(item, ImportRow)
    assert (None if item.attributes is None else orjson.loads(item.attributes)) == said


@pytest.mark.parametrize(
    ("delimiter", "cell", "said"),
    [
        (";", "1500,50", 1500.5),
        (";", "1,200", 1.2),
        (";", "1\xa0200,5", 1200.5),
        (";", "ИСТИНА", True),
        (";", "FALSE", False),
        (";", "8 916 600-00-01", "8 916 600-00-01"),
        (",", '"1500,50"', 1500.5),
        (",", '"1,200"', "1,200"),
        (",", "1 200", 1200),
        ("\t", "1500,50", 1500.5),
        ("\t", "'1500,50", "1500,50"),
    ],
)
def test_numbers_as_table_programs_write_them(delimiter: str, cell: str, said: Any) -> None:
    text = f"phone_number|sum|more\n79160000000|{cell}|x\n".replace("|", delimiter)
    (item,) = read_all(RowReader("csv", plan=Plan(attributes=None)), text.encode())
    assert isinstance(item, ImportRow)
    assert orjson.loads(item.attributes or "") == {"sum": said, "more": "x"}


def read_all(reader: RowReader, data: bytes) -> list[ImportRow | RowError]:
    return reader.feed(data) + reader.finish()


@pytest.mark.parametrize(
    ("attributes", "header", "problem"),
    [
        (Plan(), "city", "unknown column 'city'"),
        (Plan(attributes=frozenset({"town"})), "city", "unknown column 'city'"),
        (Plan(attributes=None), "!!!", "no name of an attribute can be made of the column '!!!'"),
        (Plan(), "attributes.tag", "unknown column 'attributes.tag'"),
        *(
            (
                Plan(attributes=None),
                f"{first},{second}",
                f"attributes.{name}\" is there twice: as '{first}' and as '{second}'",
            )
            for name, first, second in (
                ("city", "city", "attributes.city"),
                ("city", "attributes.city", "city"),
                ("city", "Город", "city"),
                ("city", "city", "Город"),
                ("total_spent", "Total spent", "total-spent"),
                ("x" * 32, "x" * 33, "x" * 34),
            )
        ),
        (plan_of(["x=phone_number"]), "x", "\"phone_number\" is there twice: as 'phone_number' and as 'x'"),
        (plan_of(["y=tag"]), "tag,y", "\"tag\" is there twice: as 'tag' and as 'y'"),
        (plan_of(["x=tag", "y=tag"]), "x,y", "\"tag\" is there twice: as 'x' and as 'y'"),
        (plan_of(["Город=attributes.city"])._replace(attributes=None), "Город,city", "as 'Город' and as 'city'"),
    ],
)
def test_columns_that_are_none(attributes: Plan, header: str, problem: str) -> None:
    reader = RowReader("csv", plan=attributes)
    with pytest.raises(UnreadableInput, match=problem):
        read_all(reader, f"phone_number,{header}\n".encode())


ODD = {
    "Total spent": "total_spent", "attributes.Total spent": "total_spent", "Любимый цвет": "lyubimyy_tsvet",
    "1a": "column_1a", "a b": "a_b", "a__b": "a__b", "é": "e", '"a""b"': "a_b", '"a;b"': "a_b", "№": "no",
    "x" * 500: "x" * 32, "'=1": "column_1",
    "id": "", "ID": "", "attributes.id": "", "attributes.tag": "", "attributes.": "", "!!!": "", "\u200b": "",
    "中文": "", "_": "", "=": "", "😀": "",
}  # fmt: skip
"""Headers, and the attribute that each becomes where all columns are attributes; "": none."""


@pytest.mark.parametrize(("header", "name"), ODD.items(), ids=ascii)
def test_where_all_are_attributes_odd_headers_become_names_or_are_named(header: str, name: str) -> None:
    for delimiter in ",;\t":
        reader = RowReader("csv", plan=Plan(attributes=None))
        table = f"phone_number{delimiter}tag{delimiter}{header}\n79160000000{delimiter}x{delimiter}5\n".encode()
        if name:
            (item,) = read_all(reader, table)
            assert isinstance(item, ImportRow)
            assert item.attributes == f'{{"{name}":5}}'
        else:
            with pytest.raises(UnreadableInput, match="no name of an attribute can be made of the column") as caught:
                read_all(reader, table)
            assert repr(header) in caught.value.fault


HEADERS = st.lists(
    st.text(max_size=12)
    | st.sampled_from([*ODD, "phone_number", "Телефон", "tag", "city", "Город", "attributes.city"]),
    max_size=6,
)
SAID = st.dictionaries(
    st.sampled_from(["x", "tag", "Город", "Total spent"]), st.sampled_from(["tag", "phone_number", "attributes.x"])
)


@given(HEADERS, st.sampled_from(",;\t"), SAID, st.booleans())
def test_any_header_is_understood_or_refused_in_words(
    headers: list[str], delimiter: str, said: dict[str, str], all_are_attributes: bool
) -> None:
    plan = plan_of([f"{name}={field}" for name, field in said.items()])
    reader = RowReader("csv", plan=plan._replace(attributes=None) if all_are_attributes else plan)
    try:
        read_all(reader, delimiter.join(["phone_number", *said, *headers]).encode() + b"\n")
    except UnreadableInput:
        return
    fields = [column.field for column in reader.columns if column.field != "ignore"]
    assert len(set(fields)) == len(fields)
    assert all(is_attribute(field) or field in COLUMNS for field in fields)


def test_attributes_that_are_no_object() -> None:
    (error,) = read_all(RowReader(), b'{"phone_number": "79160000000", "attributes": ["x"]}\n')
    assert isinstance(error, RowError)
    assert (error.field, error.message.code) == ("attributes", "NOT_OBJECT")
