"""Protobuf at the engine's door: any bytes and any values, to each method.

INVARIANT. Every call ends with OK or with a status that says what is wrong with it; never with INTERNAL or UNKNOWN. The
engine goes on answering, and its log has no error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

FORBIDDEN: Final = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
_SERVICES: Final = Path(__file__).resolve().parents[2] / "proto" / "mailing" / "v1"
_OWN_DOINGS: Final = frozenset({"SignOut", "RevokeApiToken", "PauseSending", "SetWorkers", "SetRate"})
"""They would end the campaign's own access, or make the engine do nothing."""
_SECONDS: Final = 20.0
_ANSWERS_MAX: Final = 3
"""Of a stream so many messages are read: some never end."""
_DEPTH_MAX: Final = 3
_INTEGERS: Final = st.one_of(st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]), st.integers(-(2**31), 2**31 - 1))
_LONG_INTEGERS: Final = st.one_of(st.sampled_from([0, 1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
_TEXTS: Final = st.one_of(
    st.sampled_from(
        ["", "79161234567", "Europe/Moscow", "id desc", "id", "*", "text", "filter.tags", "09:00", "\0", "7" * 5000]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
_NUMBERS: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.CPPTYPE_INT32: _INTEGERS,
    FieldDescriptor.CPPTYPE_INT64: _LONG_INTEGERS,
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: _INTEGERS,
}  # fmt: skip


def methods() -> list[Any]:
    """The descriptors of all methods of our services, but for ``_OWN_DOINGS``."""
    modules = (import_module(f"mailing.v1.{file.stem}_pb2") for file in sorted(_SERVICES.glob("*_service.proto")))
    services: Iterable[ServiceDescriptor] = (
        service for module in modules for service in module.DESCRIPTOR.services_by_name.values()
    )
    return [method for service in services for method in service.methods if method.name not in _OWN_DOINGS]


@st.composite
def messages(draw: st.DrawFn, descriptor: Any, depth: int = 0) -> Message:
    """A message with any values in some of its fields."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        values = [draw(_value(field, depth)) for _ in range(draw(st.integers(1, 3)) if field.is_repeated else 1)]
        for value in values:
            # A value that the field's own type refuses is never sent by anybody.
            with contextlib.suppress(ValueError, TypeError):
                _put(message, field, value)
    return message


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, depth + 1) if depth < _DEPTH_MAX else st.just(None)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=40)
    return _NUMBERS.get(field.cpp_type, _TEXTS)


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return
    if field.is_repeated:
        getattr(message, field.name).extend([] if value is None else [value])
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value or GetMessageClass(field.message_type)())
    else:
        setattr(message, field.name, value)


def payloads(method: Any) -> st.SearchStrategy[bytes]:
    """What is sent: messages of the method's own kind, those with a few bytes after them, and any bytes."""
    good = messages(method.input_type).map(lambda message: message.SerializePartialToString())
    return st.one_of(good, st.tuples(good, st.binary(max_size=6)).map(b"".join), st.binary(max_size=60))


def call(channel: grpc.Channel, token: str, method: Any, payload: bytes) -> grpc.StatusCode:
    """Make one call with these bytes as its request; return how it ended."""
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    make: Callable[..., Any] = getattr(channel, kind)(f"/{method.containing_service.full_name}/{method.name}")
    metadata = [("authorization", f"Bearer {token}")]
    request = iter([payload]) if method.client_streaming else payload
    try:
        answer = make(request, timeout=_SECONDS, metadata=metadata)
        if method.server_streaming:
            _read(answer)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def _read(answers: Iterator[bytes]) -> None:
    for number, _ in enumerate(answers, 1):
        if number == _ANSWERS_MAX:
            break
    answers.cancel()  # type: ignore[attr-defined]
