"""Attributes in files: which columns they are, and that what is written is read back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.codec import json_of, message_of
from gateway.tables.columns import Plan
from gateway.tables.csv_rows import ImportRow, RowError, RowReader, UnreadableInput, csv_row, ndjson_row, read_rows
from gateway.tables.row_text import columns_with, csv_writer
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


def read_all(reader: RowReader, data: bytes) -> list[ImportRow | RowError]:
    return reader.feed(data) + reader.finish()


@pytest.mark.parametrize(
    ("attributes", "header", "problem"),
    [
        (Plan(), "city", "unknown column 'city'"),
        (Plan(attributes=frozenset({"town"})), "city", "unknown column 'city'"),
        (Plan(attributes=None), "Любимый цвет", "'Любимый цвет' is no name of an attribute"),
        (Plan(), "attributes.tag", "unknown column 'attributes.tag'"),
        (Plan(attributes=None), "city,attributes.city", 'the column "attributes.city" is there twice'),
    ],
)
def test_columns_that_are_none(attributes: Plan, header: str, problem: str) -> None:
    reader = RowReader("csv", plan=attributes)
    with pytest.raises(UnreadableInput, match=problem):
        read_all(reader, f"phone_number,{header}\n".encode())


def test_attributes_that_are_no_object() -> None:
    (error,) = read_all(RowReader(), b'{"phone_number": "79160000000", "attributes": ["x"]}\n')
    assert isinstance(error, RowError)
    assert (error.field, error.message.code) == ("attributes", "NOT_OBJECT")
