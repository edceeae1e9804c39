"""A filter that the contract's rules refuse is a 422 that names it, and INVALID_ARGUMENT of the engine: it would find
nobody, and whoever asked would believe that there is nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode, aio

from common.contract.reader import Binding, Field, Kind, bindings_of, fields_of
from common.contract.services import SERVICES
from gateway.shapes import query_of
from scripts.token_channel import with_token
from tests.gateway.rig import API, Gateway

NONE: Final = ("not a tag!", "\0")
"""Texts of which each pattern refuses one."""


def filters() -> Iterator[tuple[Binding, Field]]:
    """Texts of all queries that have a pattern."""
    for service in SERVICES.values():
        for binding in bindings_of(service):
            names = query_of(binding)._declared_fields if binding.verb == "get" else {}
            for field in fields_of(binding.method.input_type):
                if field.name in names and field.kind is Kind.TEXT and field.rules.pattern:
                    yield binding, field


def refused(field: Field) -> str:
    return next(text for text in NONE if not re.fullmatch(field.rules.pattern, text))


async def test_rest_names_it(gateway: Gateway) -> None:
    found = [(binding.path, field.name) for binding, field in filters()]
    assert (f"{API}/clients", "language") in found
    for binding, field in filters():
        path = re.sub(r"\{.+?\}", "1", binding.path).removeprefix(API)
        answer = await gateway.get(path, params={field.name: refused(field)})
        assert (answer.status, answer.bad) == (422, [f"/{field.name}"]), binding.path


async def test_so_does_the_engine(gateway: Gateway) -> None:
    channel = with_token(gateway.engine.channel)
    for binding, field in filters():
        method, kind = binding.method, GetMessageClass(binding.method.input_type)
        make: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
        call = make(f"/{method.containing_service.full_name}/{method.name}", kind.SerializeToString, bytes)
        answer = call(kind(**{field.name: refused(field)}))
        with pytest.raises(aio.AioRpcError) as error:
            await (answer.read() if method.server_streaming else answer)
        assert error.value.code() is StatusCode.INVALID_ARGUMENT, (method.name, field.name)
        assert field.name in (error.value.details() or ""), (method.name, field.name)
