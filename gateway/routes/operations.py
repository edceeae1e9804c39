"""Routes made of the contract: each binding of a method (``google.api.http``) is a route with a handler.

Which role, which parameters, what is checked and what is answered follows from the method and its messages;
``(rest)`` in the .proto file says what does not. Methods that stream are not for here: files and events have handlers
of their own, which ``described`` puts into the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, cast

import orjson
from aiohttp import web
from google.protobuf.descriptor_pb2 import MethodOptions

from common.contract.codec import paths_in, reader_of, writer_of
from common.contract.reader import (
    API,
    Binding,
    Descriptor,
    Field,
    Kind,
    bindings_of,
    field_of,
    has_details,
    sentences_of,
    words_of,
)
from common.contract.services import SERVICES
from common.contract.values import Json
from gateway.document.openapi import Handler, operation
from gateway.http.admission import Role
from gateway.http.body import read_json, read_nothing, read_query
from gateway.http.engine_client import EngineClient
from gateway.http.keys import ENGINE
from gateway.routes.common import ID, checked, id_in_path, idempotency_key, json_answer, no_content
from gateway.shapes import Use, body_of, query_of, schema_of

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_OF_NOTHING: Final = (400, 413, 415, 422)
"""Errors of a body that says something where nothing is asked for."""


def routes_of(service: str, without: Collection[str] = ()) -> list[web.RouteDef]:
    """The routes of a service, with handlers of their own; ``without``: ids of operations that others handle."""
    found = []
    for binding in bindings_of(SERVICES[service]):
        streams = binding.method.client_streaming or binding.method.server_streaming
        if not streams and id_of(binding) not in without:
            found.append(route_of(binding, described(binding)(_handler(binding))))
    return found


@cache
def binding_named(operation_id: str) -> Binding:
    """The binding with this id in the document. Raises StopIteration: the contract has none."""
    return next(each for service in SERVICES.values() for each in bindings_of(service) if id_of(each) == operation_id)


def route_of(binding: Binding, handler: Any) -> web.RouteDef:
    """The route; ids in its path are digits, so that ``/clients/export`` is another path."""
    options = {"allow_head": False} if binding.verb == "get" else {}
    path = binding.path if _texts_in_path(binding) else re.sub(r"\{(\w+)\}", rf"{{\1:{ID}}}", binding.path)
    return web.RouteDef(binding.verb.upper(), path, handler, options)


def _texts_in_path(binding: Binding) -> list[Field]:
    """Fields in the path that are texts, and no ids."""
    request = binding.method.input_type
    found = [field_of(request, name) for name in binding.path_fields if "." not in name]
    return [field for field in found if field.kind is Kind.TEXT]


# -- the document ----------------------------------------------------------------------------------


def described(binding: Binding, **more: Any) -> Callable[[Handler], Handler]:
    """Describe a route in the document as the contract says; ``more`` of ``operation``'s arguments goes before it."""
    return operation(**{**_as_the_contract_says(binding), **more})


@cache  # for each gateway of a process, which in tests are many
def _as_the_contract_says(binding: Binding) -> Mapping[str, Any]:
    """Arguments of ``operation``."""
    method, rest = binding.method, binding.rest
    sentences = sentences_of(method.full_name)
    query = query_of(binding)
    arguments: dict[str, Any] = {
        "id": id_of(binding),
        "tag": rest.tag or binding.path.removeprefix(f"{API}/").partition("/")[0],
        "summary": rest.summary or sentences[0].removesuffix("."),
        "description": rest.description or " ".join(sentences[1:]),
        "role": cast("Role | None", binding.role),
        "response": (_status(binding), _answer_schema(binding)),
        "many": bool(binding.answer),
        "errors": [*rest.errors, *(_OF_NOTHING if _asks_nothing(binding) else ())],
        "idempotent": "request_id" in method.input_type.fields_by_name,
        "query": query if query._declared_fields or not binding.body else None,
        "also": binding.also,
        "before_totp_setup": binding.before_totp_setup,
        "path": {
            field.name: {"schema": {"type": "string"}, "description": words_of(field.full_name)}
            for field in _texts_in_path(binding)
        },
    }
    if binding.body and not method.client_streaming:
        arguments |= {
            "body": body_of(binding),
            "body_example": orjson.loads(rest.example) if rest.example else None,
        }
    return arguments


def _asks_nothing(binding: Binding) -> bool:
    """Whether it may have a body, as each POST, and has nothing to say in it."""
    return binding.verb == "post" and not binding.body


def id_of(binding: Binding) -> str:
    """The ``operationId``: the method's name, if ``(rest)`` says no other."""
    name = str(binding.method.name)
    if binding.verb == "put":
        name = re.sub("^Update", "Replace", name)
    return binding.rest.id or name[0].lower() + name[1:]


def _status(binding: Binding) -> int:
    if binding.rest.status:
        return binding.rest.status
    if _is_empty(binding.method.output_type):
        return 204
    return 201 if binding.method.name.startswith("Create") else 200


def _is_empty(message: Descriptor) -> bool:
    return bool(message.full_name == "google.protobuf.Empty")


def _answer_schema(binding: Binding) -> Any:
    kind = binding.method.output_type
    if binding.answer:
        return schema_of(field_of(kind, binding.answer).message)
    return None if _is_empty(kind) else schema_of(kind, Use.DETAIL if has_details(kind) else Use.SHOWN)


# -- handlers --------------------------------------------------------------------------------------


def _handler(binding: Binding) -> Callable[[web.Request], Any]:
    """A handler: what is asked for becomes the method's request, its answer becomes JSON."""
    method, query = binding.method, query_of(binding)
    service, name = method.containing_service.name, method.name
    has_key = "request_id" in method.input_type.fields_by_name
    read, answer = reader_of(method.input_type), _answering(binding)
    texts = {field.name for field in _texts_in_path(binding)}
    asks_nothing = _asks_nothing(binding)

    async def handle(request: web.Request) -> web.Response:
        said = read_query(request, query)
        for path in binding.path_fields:
            said[path] = request.match_info[path] if path in texts else id_in_path(request, path.replace(".", "_"))
        if has_key:
            said["request_id"] = idempotency_key(request)
        engine = request.app[ENGINE]
        if binding.body:
            asked = await checked_request(request, engine, binding, await read_json(request), said)
        else:
            if asks_nothing:
                await read_nothing(request)
            asked = read(said)
        return answer(await engine.call(request, engine.method(service, name), asked))

    return handle


async def checked_request(
    request: web.Request, engine: EngineClient, binding: Binding, data: Any, said: Mapping[str, Any] = NOTHING
) -> Any:
    """The request of a method with a body. When the schema finds something bad, the rest is shown to the engine, if
    that changes nothing, so that all that is bad is named at once.

    Args:
        request: whose sender asks.
        engine: what is asked.
        binding: the method's.
        data: the body.
        said: the other fields; see ``request_of``.

    Raises:
        Problem: see ``load``.
    """
    method = binding.method

    async def check(valid: Json) -> None:
        asked = request_of(binding, valid, {**said, "validate_only": True})
        await engine.call(request, engine.method(method.containing_service.name, method.name), asked)

    valid = await checked(body_of(binding), data, check if _can_only_check(method) else None)
    return request_of(binding, valid, said)


def _can_only_check(method: Descriptor) -> bool:
    is_safe = method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    return is_safe or "validate_only" in method.input_type.fields_by_name


def request_of(binding: Binding, data: Json, said: Mapping[str, Any] = NOTHING) -> Any:
    """The request of a method with a body: a message of its kind.

    Args:
        data: the body, as its schema has loaded it.
        said: the request's other fields; of an id in the path by where it goes (``client.id``).
    """
    kind, mask = binding.method.input_type, _mask(binding, data)
    if mask == []:  # it would mean all that is set (AIP-134), and an empty object is set: a filter for everyone
        data = {}
    asked = reader_of(kind)({**said, **(data if binding.body == "*" else {binding.body: data})})
    for path in binding.path_fields:
        parent, _, name = path.rpartition(".")
        if parent:  # only the engine writes an id, so the body's was left out
            setattr(getattr(asked, parent), name, said[path])
    if mask is not None:
        asked.update_mask.paths.extend(mask)
    return asked


def _mask(binding: Binding, data: Json) -> list[str] | None:
    """The fields that a PUT or a PATCH changes; ``None``: the method has no mask."""
    kind = binding.method.input_type
    if "update_mask" not in kind.fields_by_name:
        return None
    return ["*"] if binding.verb == "put" else list(paths_in(field_of(kind, binding.body).message, data))


def _answering(binding: Binding) -> Callable[[Any], web.Response]:
    """What becomes of the engine's answer."""
    kind, status = binding.method.output_type, _status(binding)
    if _is_empty(kind):
        return lambda _: no_content()
    write = writer_of(kind, detail=has_details(kind))
    if binding.answer:
        return lambda answer: json_answer(write(answer)[binding.answer], status)
    if status != 201 or not _can_be_read(binding):
        return lambda answer: json_answer(write(answer), status)
    return lambda answer: json_answer(write(answer), status, location=f"{binding.path}/{answer.id}")


def _can_be_read(binding: Binding) -> bool:
    """Whether what was made has a path of its own below the list's."""
    service = binding.method.containing_service
    return any(
        each.verb == "get" and each.path.rpartition("/")[0] == binding.path and each.path.endswith("}")
        for each in bindings_of(service)
    )
