"""The OpenAPI 3.0.3 document, out of aiohttp-apispec, which by itself speaks Swagger 2.0 only (docs/measured.md).

Routes are decorated with ``operation``; ``make_document`` reads them off the application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from aiohttp_apispec import AiohttpApiSpec, docs, json_schema, querystring_schema, response_schema
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema

from common.contract.values import Json
from gateway.document import page
from gateway.document import shared_parts as parts
from gateway.http.admission import Role, declare_role
from gateway.shapes.examples import example_of
from gateway.shapes.fields import Keyed
from gateway.shapes.problem import ProblemSchema

__all__ = ["DOCUMENT", "Body", "make_document", "operation", "setup_document"]

DOCUMENT: Final = web.AppKey("DOCUMENT", dict[str, Any])
"""The document, for those who are on the same application."""

SchemaType = type[Schema]
Handler = TypeVar("Handler", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])

_OPENAPI_VERSION: Final = "3.0.3"
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_EXTRA: Final = "x-gateway"
_ID: Final = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is not JSON by a schema: one media type's shape and example."""

    schema: Json
    """As OpenAPI writes it."""
    example: Any = None


@dataclass(frozen=True, slots=True)
class _Extra:
    """What aiohttp-apispec's decorators have no place for."""

    body_example: Any
    response_example: Any
    bodies: Mapping[str, Body]
    contents: Mapping[str, Body]
    headers: Mapping[str, Json]
    status: int
    errors: frozenset[int]
    path: Mapping[str, Json]
    again: int | None


def operation(
    *,
    id: str,
    tag: str,
    summary: str,
    description: str = "",
    role: Role | None = "viewer",
    body: SchemaType | None = None,
    body_example: Any = None,
    bodies: Mapping[str, Body] | None = None,
    query: SchemaType | None = None,
    response: tuple[int, SchemaType | None] = (200, None),
    response_example: Any = None,
    many: bool = False,
    contents: Mapping[str, Body] | None = None,
    errors: Iterable[int] = (),
    idempotent: bool = False,
    also: str | None = None,
    before_totp_setup: bool = False,
    path: Mapping[str, Json] = MappingProxyType({}),
    again: int | None = None,
) -> Callable[[Handler], Handler]:
    """Describe a route in the document.

    Args:
        id: the ``operationId``, unique.
        role: the least role that may call it; ``None``: no token is needed.
        body: the schema of a JSON body, which is then required; its example is ``body_example``, or made of
            those of its fields, as that of the response is.
        bodies: bodies of other types, by media type.
        query: the schema of the query.
        response: the status of success and the schema of its JSON; ``None``: no JSON.
        many: the response is a list of what its schema says.
        contents: successful answers of other types, by media type.
        errors: statuses besides those that follow from the rest: 408, 431, 503 (always), 401, 429, 504 (a token is
            needed), 403 (more than a viewer), 404 (an id in the path), 400, 413, 415, 422 (a body), 422 (a query), 409,
            422 (idempotent).
        idempotent: the call takes an ``Idempotency-Key``.
        also: a role without a rank that may call it, too.
        before_totp_setup: who must set up two-step sign-in first may call it, too.
        path: parameters of the path that are no ids, by name, as OpenAPI writes them.
        again: the status of the same answer when there was nothing to make: it was there already.
    """
    status, schema = response
    if schema is not None and response_example is None:
        response_example = [example_of(schema)] if many else example_of(schema)
    extra = _Extra(
        example_of(body) if body is not None and body_example is None else body_example,
        response_example,
        bodies or {},
        contents or {},
        {"Location": _LOCATION} if status == 201 else {},
        status,
        _errors(role, bool(body or bodies), query is not None, idempotent) | frozenset(errors),
        path,
        again,
    )

    def decorate(handler: Handler) -> Handler:
        described = docs(
            operationId=id,
            tags=[tag],
            summary=summary,
            description=_with_role(description, role, also),
            security=[] if role is None else parts.BEARER,
            parameters=[parts.IDEMPOTENCY_KEY] if idempotent else [],
            **{_EXTRA: extra},
        )(handler)
        if body is not None:
            described = json_schema(_made(body), required=True)(described)
        if query is not None:
            described = querystring_schema(_made(query))(described)
        if schema is not None:
            described = response_schema(_made(schema, many), status)(described)
        declare_role(described, role, also, before_totp_setup=before_totp_setup)
        result: Handler = described
        return result

    return decorate


@cache  # a schema copies each of its fields, and a gateway describes each route twice: a third of its start
def _made(schema: SchemaType, many: bool = False) -> Schema:
    """The schema, which whoever reads it leaves as it is."""
    return schema(many=many)


_LOCATION: Final = {"description": "Where it is.", "schema": {"type": "string", "format": "uri-reference"}}


def _errors(role: Role | None, body: bool, query: bool, idempotent: bool) -> frozenset[int]:
    found = {408, 431, 503}  # of the connection: see gateway.http.connections
    if role is not None:
        found |= {401, 429, 504}
    if role in ("operator", "admin"):
        found.add(403)
    if body:
        found |= {400, 413, 415, 422}
    if query:
        found.add(422)
    if idempotent:
        found |= {409, 422}
    return frozenset(found)


def _with_role(description: str, role: Role | None, also: str | None) -> str:
    needs = "No token is needed." if role is None else f"Needs the role *{role}*{f' or *{also}*' if also else ''}."
    return f"{description}\n\n{needs}" if description else needs


def setup_document(app: web.Application) -> None:
    """Serve the document of ``app``, and Swagger UI; call it when all other routes have been added."""
    app[DOCUMENT] = make_document(app)
    app.router.add_routes(page.routes(orjson.dumps(app[DOCUMENT])))


def make_document(app: web.Application) -> Json:
    """The document of all decorated routes of ``app``; call it when they have all been added."""
    return _Document(app).swagger_dict()


def _null_or_as_said(_converter: Any, field: Any, ret: Json) -> Json:
    """What may be null beside a reference is null alone: apispec would let any object pass. And what says that it may
    not be null may not, although reading leaves it to the engine to refuse it."""
    if field.metadata.get("nullable") is False:
        ret.pop("nullable", None)
    for each in ret.get("anyOf", ()):
        if each.get("nullable"):
            each["enum"] = [None]
    return {}


def _component_name(schema: Any) -> str:
    name = (schema if isinstance(schema, type) else type(schema)).__name__
    return str(name.removesuffix("Schema"))


class _Converter(OpenAPIConverter):
    """Also writes what a schema's ``Meta`` says of the number of its keys."""

    def schema2jsonschema(self, schema: Any) -> Json:
        written: Json = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # not typed there
        least = getattr(getattr(schema, "Meta", None), "min_properties", None)
        return written if least is None else written | {"minProperties": least}


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class _Document(AiohttpApiSpec):  # type: ignore[misc]  # has no types
    """aiohttp-apispec's reading of routes, with OpenAPI 3 as the outcome. It adds nothing to the application."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(url=None, title=parts.TITLE, version=parts.VERSION)
        self.plugin = _Plugin(schema_name_resolver=_component_name)
        self.spec = APISpec(
            title=parts.TITLE,
            version=parts.VERSION,
            openapi_version=_OPENAPI_VERSION,
            plugins=[self.plugin],
            info={"description": parts.DESCRIPTION, "license": {"name": "MIT"}},
            security=parts.BEARER,
            servers=[{"url": "/"}],
        )
        assert self.plugin.converter is not None  # APISpec has made it
        self._converter = self.plugin.converter
        self._converter.add_attribute_function(_null_or_as_said)  # type: ignore[no-untyped-call]  # not typed there
        self.spec.components.security_scheme("bearer", parts.SECURITY_SCHEME)
        for status in parts.ERRORS:
            self.spec.components.response(parts.problem_name(status), parts.problem_response(status, ProblemSchema))
        self._tags: set[str] = set()
        for route in app.router.routes():
            self._register_route(route, route.method.lower(), route.handler)

    def swagger_dict(self) -> Json:
        """The document."""
        document: Json = self.spec.to_dict()
        return {**document, "tags": [tag for tag in parts.TAGS if tag["name"] in self._tags]}

    def _update_paths(self, data: Json, method: str, url_path: str) -> None:
        if method not in _METHODS:
            return
        extra: _Extra = data[_EXTRA]
        described = {key: data[key] for key in ("operationId", "tags", "summary", "description", "security")}
        names = [name for _, name, _, _ in Formatter().parse(url_path) if name]
        # Swagger UI fills examples in: who changes a thing says which one.
        example = {"example": 1} if method == "get" else {}
        described["parameters"] = [
            {"in": "path", "name": name, "required": True}
            | extra.path.get(name, {"schema": _ID, "description": "Its id."} | example)
            for name in names
        ]
        for entry in data["schemas"]:
            if entry["location"] == "querystring":
                described["parameters"] += self._query(entry["schema"])
            else:
                content = {"application/json": _media(entry["schema"], extra.body_example)}
                described["requestBody"] = {"required": True, "content": content}
        described["parameters"] += data["parameters"]
        if extra.bodies:
            content = {kind: _media(body.schema, body.example) for kind, body in extra.bodies.items()}
            described["requestBody"] = {"required": True, "content": content}
        described["responses"] = self._responses(data, extra, names)
        self._tags |= set(data["tags"])
        self.spec.path(path=url_path, operations={method: described})

    def _query(self, schema: Schema) -> list[Json]:
        """The parameters of a query. Of a ``Keyed`` one the document shows the name of its example."""
        found: list[Json] = self._converter.schema2parameters(schema, location="query")
        keyed = {field.data_key: field.example_key for field in schema.fields.values() if isinstance(field, Keyed)}
        for each in found:
            if each["name"] in keyed:
                each |= {"name": each["name"] + keyed[each["name"]], "schema": {"type": "string"}}
        return found

    @staticmethod
    def _responses(data: Json, extra: _Extra, names: list[str]) -> Json:
        content = {kind: _media(body.schema, body.example) for kind, body in extra.contents.items()}
        for response in data["responses"].values():
            content["application/json"] = _media(response["schema"], extra.response_example)
        success: Json = {"description": _SUCCESS.get(extra.status, "Done.")}
        if content:
            success["content"] = content
        if extra.headers:
            success["headers"] = dict(extra.headers)
        statuses = sorted(extra.errors | ({404} if names else set()))
        found = {str(extra.status): success}
        if extra.again is not None:
            found[str(extra.again)] = {**success, "description": "It was there already.", "headers": {}}
        return found | {str(status): parts.problem_name(status) for status in statuses}


_SUCCESS: Final = {200: "Done.", 201: "Made.", 204: "Done; there is nothing to say."}


def _media(schema: Any, example: Any) -> Json:
    return {"schema": schema} if example is None else {"schema": schema, "example": example}
