"""Update masks (AIP-134, AIP-161): which fields of a resource a request changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from common.contract.reader import Descriptor, fields_of
from common.error_codes import ErrorCode
from engine.domain.attributes import name_problem
from engine.domain.errors import FieldError, InvalidInput

M = TypeVar("M", bound=Message)
EVERYTHING = "*"


@cache
def editable_of(kind: Descriptor) -> frozenset[str]:
    """The fields that callers write, fixed ones included."""
    return frozenset(field.name for field in fields_of(kind) if field.is_written)


@cache
def fixed_of(kind: Descriptor) -> frozenset[str]:
    """The fields of ``editable_of`` that can't be changed once they are said."""
    return frozenset(field.name for field in fields_of(kind) if field.is_immutable)


def paths_of(mask: FieldMask, resource: Message) -> list[str]:
    """Return the paths to change: those of the mask, ``*`` for all that are editable, and without a
    mask those that are set in ``resource``. Fields that only the engine writes are left out.

    Raises:
        InvalidInput: naming each path that the resource does not have.
    """
    editable = editable_of(resource.DESCRIPTOR)
    if not mask.paths:
        return [field.name for field, _ in resource.ListFields() if field.name in editable]
    if list(mask.paths) == [EVERYTHING]:
        return sorted(editable)
    unknown = [path for path in mask.paths if not _exists(resource, path.split("."))]
    if unknown:
        raise InvalidInput(
            [FieldError("update_mask", ErrorCode.NOT_A_PATH.format(path=path[:100])) for path in unknown]
        )
    return [path for path in mask.paths if path.partition(".")[0] in editable]


def merged(current: M, changes: M, paths: Sequence[str]) -> M:
    """Return ``current`` with the fields at ``paths`` as they are in ``changes``, set or not."""
    result = type(current)()
    result.CopyFrom(current)
    for path in paths:
        _copy(changes, result, path.split("."))
    return result


def _exists(resource: Message, names: Sequence[str]) -> bool:
    """True when there is such a field; only attributes and single messages of our package have paths below them. A bad
    name of an attribute that the resource has too is a fault of the resource, not of the mask."""
    if isinstance(resource, Struct):
        key = ".".join(names)
        return key in resource.fields or name_problem(key) is None
    field = resource.DESCRIPTOR.fields_by_name.get(names[0])
    if field is None or len(names) == 1:
        return field is not None
    kind = field.message_type
    if kind is None or field.is_repeated:
        return False
    is_struct = kind.full_name == Struct.DESCRIPTOR.full_name
    return (is_struct or kind.file.package.startswith("mailing.")) and _exists(getattr(resource, names[0]), names[1:])


def _copy(source: Message, target: Message, names: Sequence[str]) -> None:
    name = names[0]
    if isinstance(source, Struct):
        _copy_key(source, target, ".".join(names))
        return
    if len(names) > 1:
        _copy(getattr(source, name), getattr(target, name), names[1:])
        return
    target.ClearField(name)
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if field.is_repeated:
        getattr(target, name).extend(value)
    elif field.message_type is not None:
        if source.HasField(name):
            getattr(target, name).CopyFrom(value)
    elif not field.has_presence or source.HasField(name):
        setattr(target, name, value)


def _copy_key(source: Struct, target: Message, key: str) -> None:
    """Null is no value: it removes the key. A key that is no name of an attribute is kept, so that it is refused
    together with whatever else is bad."""
    assert isinstance(target, Struct)
    if key in source.fields and (name_problem(key) is not None or not source.fields[key].HasField("null_value")):
        target.fields[key].CopyFrom(source.fields[key])
    else:
        target.fields.pop(key, None)
