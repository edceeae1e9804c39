"""Entries of lists that are taken as they are: never one that marshmallow would refuse or change."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import pytest
from marshmallow import ValidationError, fields

from common.contract.reader import Kind
from gateway.shapes import Use, schema_of
from gateway.shapes.fields import Flag, ListOf, Nested, Text, Whole, fits_of
from gateway.shapes.schemas import CLASSES
from mailing.v1.receipt_service_pb2 import Receipt

RECEIPT: Final = {"id": 5, "status": "delivered", "time": "2026-01-31T06:00:00Z", "code": "000", "detail": None}
VALUES: Final[tuple[Any, ...]] = (
    *(None, "", "delivered", "x" * 64, "x" * 65, "x" * 257, "x" * 501, "\0", "2026-01-31T06:00:00+03:00"),
    *("2026-01-31T06:00:00", "2026-02-30T06:00:00Z", 0, 1, -1, 5.0, 5.5, 2**63 - 1, 2**63, True, [], ["x"], {}),
)


def loaded(field: fields.Field[Any], value: Any) -> Any:
    """What marshmallow makes of it; the error: it refuses."""
    try:
        return field.deserialize(value)
    except ValidationError as error:
        return error


@pytest.mark.parametrize("name", list(schema_of(Receipt.DESCRIPTOR, Use.CREATE)().fields))
def test_a_value_that_fits_is_loaded_as_it_is(name: str) -> None:
    inner = Nested(schema_of(Receipt.DESCRIPTOR, Use.CREATE))
    fits = fits_of(inner)
    assert fits is not None
    assert fits(RECEIPT)
    taken = 0
    for value, whole in product(VALUES, (RECEIPT, {"status": "delivered", "time": RECEIPT["time"]})):
        entry = {**whole, name: value}
        if fits(entry):
            assert repr(loaded(inner, entry)) == repr({key: entry[key] for key in loaded(inner, entry)})
            assert loaded(inner, entry).keys() == entry.keys()
            taken += 1
    assert taken


@pytest.mark.parametrize("entry", [None, [], "x", {}, {**RECEIPT, "of": 1}, {"status": "delivered"}])
def test_what_is_no_such_object_is_left_to_marshmallow(entry: Any) -> None:
    fits = fits_of(Nested(schema_of(Receipt.DESCRIPTOR, Use.CREATE)))
    assert fits is not None
    assert not fits(entry)


@pytest.mark.parametrize("field", [Flag(), Text(validate=lambda value: value), ListOf(Whole())])
def test_of_other_kinds_of_fields_nothing_is_told(field: fields.Field[Any]) -> None:
    assert fits_of(field) is None


def test_a_list_names_its_bad_entries_among_good_ones() -> None:
    field = ListOf(Nested(schema_of(Receipt.DESCRIPTOR, Use.CREATE)))
    found = loaded(field, [RECEIPT, {**RECEIPT, "id": 0}, RECEIPT])
    assert list(found.messages) == [1]
    assert field.deserialize([RECEIPT, RECEIPT]) == [RECEIPT, RECEIPT]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_field_of_a_body_takes_no_other_kind_of_json(kind: Kind) -> None:
    taken: dict[Kind, set[type]] = {
        Kind.TEXT: {str}, Kind.WORD: {str}, Kind.TIME: {str}, Kind.WHOLE: {int, float}, Kind.REAL: {int, float},
        Kind.FLAG: {bool}, Kind.STRUCT: {dict}, Kind.VALUE: {str, int, float, bool, list, dict},
    }  # fmt: skip
    field = CLASSES[kind]()
    values: tuple[object, ...] = ("yes", "true", "1", "2026-01-31T06:00:00Z", 0, 1, 2.0, True, False, [], {})
    for value in values:
        if type(value) not in taken[kind]:
            assert isinstance(loaded(field, value), ValidationError), value
