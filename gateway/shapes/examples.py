"""An example of a whole object, out of the examples of its fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from common.contract.values import Json
from gateway.shapes.fields import IGNORED, Input

_MAP_KEY = "new"


@cache  # a schema is made for it and for each that is nested in it: a third of the gateway's start
def example_of(schema: type[Schema]) -> Json:
    """Every field of an answer; of a body those that have an example of their own or hold objects that callers write:
    so the body of a PUT has all that it replaces. It is shared: change nothing in it."""
    is_body = issubclass(schema, Input)
    found: Json = {}
    for name, field in schema().fields.items():
        is_written = not (is_body and _is_ignored(field))
        value = _value(field) if is_written else None
        if value is not None or not is_body or (is_written and _is_nullable(field)):
            found[field.data_key or name] = value
    return found


def _is_ignored(field: fields.Field[Any]) -> bool:
    """Whether only the engine writes a field of a body."""
    return field.metadata.get("description") == IGNORED


def _is_nullable(field: fields.Field[Any]) -> bool:
    """Whether a text of a body may be null: a name that only some installations know has no other example."""
    return isinstance(field, fields.String) and field.allow_none


def _value(field: fields.Field[Any]) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.Nested):
        nested: Any = field.nested
        return example_of(nested) or None
    if isinstance(field, fields.List):
        return [_value(field.inner)]
    if isinstance(field, fields.Dict):
        return {_MAP_KEY: _value(field.value_field)} if field.value_field else {}
    if isinstance(field, fields.Boolean):
        return True
    return None if field.allow_none else _word(field)


def _word(field: fields.Field[Any]) -> Any:
    """The first choice of a field that must be there."""
    choices = [choice for each in field.validators if isinstance(each, OneOf) for choice in each.choices]
    return choices[0] if choices and field.required else None
