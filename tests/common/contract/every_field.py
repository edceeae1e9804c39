"""Messages with every field filled, and a comparison with their JSON that goes by the descriptors alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from common.contract.values import time_json

NOT_SHOWN_WHOLE = {"attempt_history", "text"}
"""Of messages in lists: filled by GetMessage only."""


def filled(kind: type[Message]) -> Any:
    """A message with every field set to something that is not its default, maps and lists included."""
    message = kind()
    if isinstance(message, Struct):
        message.update({"workers": 5})
        return message
    if isinstance(message, Value):
        return Value(string_value="five")
    for number, field in enumerate(kind.DESCRIPTOR.fields, 3):
        _fill(message, field, number)
    return message


def _fill(message: Message, field: Any, number: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = getattr(message, field.name)
        value = field.message_type.fields_by_name["value"]
        key = "7" if field.message_type.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING else 7
        if value.message_type is None:
            entries[key] = str(number) if value.type == FieldDescriptor.TYPE_STRING else number
        else:
            entries[key].CopyFrom(filled(GetMessageClass(value.message_type)))
    elif field.message_type is not None:
        inner = (
            Timestamp(seconds=number, nanos=5_000)
            if field.message_type.full_name == "google.protobuf.Timestamp"
            else filled(GetMessageClass(field.message_type))
        )
        if field.is_repeated:
            getattr(message, field.name).append(inner)
        else:
            getattr(message, field.name).CopyFrom(inner)
    elif field.is_repeated:
        getattr(message, field.name).append(_scalar(field, number))
    else:
        setattr(message, field.name, _scalar(field, number))


def _scalar(field: Any, number: int) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"text {number}"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return number + 0.5
    return 1 if field.enum_type is not None else number


def same(message: Message, shown: dict[str, Any], without: Iterable[str], path: str = "") -> None:
    """Each field of the message is in the JSON, under its name and with its value; and nothing else is."""
    names = {field.name for field in message.DESCRIPTOR.fields} - set(without)
    assert set(shown) == names, path
    for field in message.DESCRIPTOR.fields:
        if field.name in names:
            _same_field(getattr(message, field.name), field, shown[field.name], f"{path}/{field.name}")


def _same_field(value: Any, field: Any, found: Any, path: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        assert set(found) == {str(key) for key in value}, path
        for key, inner in value.items():
            _same_value(inner, field.message_type.fields_by_name["value"], found[str(key)], path)
    elif field.is_repeated:
        assert len(found) == len(value) > 0, path
        for inner, shown in zip(value, found, strict=True):
            _same_value(inner, field, shown, path)
    else:
        _same_value(value, field, found, path)


def _same_value(value: Any, field: Any, found: Any, path: str) -> None:
    if isinstance(value, Timestamp):
        assert found == time_json(value), path
    elif isinstance(value, Struct):
        assert found == {"workers": 5}, path
    elif isinstance(value, Value):
        assert found == "five", path
    elif isinstance(value, Message):
        same(value, found, NOT_SHOWN_WHOLE if path.startswith("/messages") else (), path)
    elif field.enum_type is not None:
        assert isinstance(found, str), path
        assert field.enum_type.values_by_number[value].name.lower().endswith(f"_{found}"), path
    else:
        assert found == value, path
        assert type(found) is type(value), path
