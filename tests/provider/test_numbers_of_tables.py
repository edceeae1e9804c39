"""Numbers of the providers' file, in any table and under any key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo

from engine.provider.description import Table
from engine.provider.entries import KINDS


def every_table() -> Iterator[type[Table]]:
    tables = [Table]
    for table in tables:
        tables += table.__subclasses__()
        yield table


def takes(info: FieldInfo, value: object) -> bool:
    """Whether the value is one for this key, as a number."""
    fields: dict[str, Any] = {"key": (info.annotation, info)}
    try:
        found = create_model("One", **fields).model_validate({"key": value})
    except ValidationError:
        return False
    return isinstance(vars(found)["key"], int | float)


def test_no_number_of_any_table_may_be_a_text_or_a_truth_value() -> None:
    """TOML tells them apart: another kind is a mistake."""
    numbers = {
        (table, name): info
        for table in every_table()
        for name, info in table.model_fields.items()
        if info.annotation is not Any and (takes(info, 5) or takes(info, 250))
    }
    assert {*KINDS.values()} <= {table for table, _ in numbers}
    named = {name for _, name in numbers}
    assert named >= {"order", "rate", "workers", "time_out_seconds", "price_per_segment", "port", "status"}
    for key, info in numbers.items():
        assert not [value for value in (True, "5", "250") if takes(info, value)], key
