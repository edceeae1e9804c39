"""What a request says, in its body or its query: read within limits, checked, and all that is bad named at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import orjson
from aiohttp import web
from marshmallow import Schema, ValidationError
from marshmallow.fields import List

from common.contract.values import Json
from common.error_codes import ErrorCode, Fault
from gateway.http.keys import SETTINGS
from gateway.http.problems import BadField, Problem, invalid
from gateway.http.streaming import body_chunks
from gateway.shapes.fields import ERRORS_MAX, PAGE_SIZE_DEFAULT, Input

__all__ = ["SIGN_IN_BYTES_MAX", "Check", "load", "pointers", "read_body", "read_json", "read_nothing", "read_query"]

Check = Callable[[Json], Awaitable[object]]
"""Asks the engine about those keys that the schema has let through, changing nothing (``validate_only``)."""

_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_SHAPE: Final = 422
SIGN_IN_BYTES_MAX: Final = 4096
"""Anybody may send so much: a name and a password."""
_COMMAS_MAX: Final = 50_000
"""As many as a mailing with the longest lists, 20 conditions of 1,000 values among them, and the longest text; each may
make a value of 100 bytes."""
_BRACKETS_MAX: Final = 6_000
"""More than a text of nothing but brackets has; each may make a list or an object, which cost most to look through."""
_MAY_BE_NAMED_LATER: Final = frozenset(
    {409, 500, 501}
)  # statuses of a check that say nothing of the caller or the path


async def read_body(
    request: web.Request, schema: type[Schema], check: Check | None = None, *, bytes_max: int = 0
) -> Json:
    """The JSON object of the body; see ``load``. Raises Problem: 400, 408, 413 or 415 besides."""
    return await load(schema, await read_json(request, bytes_max), check)


async def read_nothing(request: web.Request) -> None:
    """Of a route that asks for nothing more than its path says: no body, or an object without keys. What else somebody
    says there would be lost unseen. Raises Problem: 400, 408, 413, 415 or 422."""
    if request.can_read_body:
        await read_body(request, Input)


async def load(schema: type[Schema], data: Any, check: Check | None = None) -> Json:
    """What was read, as ``schema`` loads it.

    When the schema finds something bad, ``check`` is called with the rest, so that what only the engine knows is named
    in the same answer. It may as well raise that the caller may not do this at all, or that there is no such object.

    Raises:
        Problem: 422, or what ``check`` raises.
    """
    try:
        loaded: Json = _instance(schema).load(data)
    except ValidationError as error:
        found = list(pointers(error.messages))
        if check is not None and len(found) < ERRORS_MAX:
            found += await _also(check, error.valid_data, [pointer for pointer, _ in found])
        raise invalid(found) from None
    return loaded


def read_query(request: web.Request, schema: type[Schema]) -> Json:
    """The parameters of the query, as ``schema`` loads them; those of a page always have a size, within the setting's
    limit. Raises Problem (422)."""
    loaded = _loaded_query(request, schema) if request.query_string else {}
    if "page_size" in _instance(schema).fields:
        most: int = request.config_dict[SETTINGS].http_page_size
        loaded["page_size"] = min(loaded.get("page_size", PAGE_SIZE_DEFAULT), most)
    return loaded


def _loaded_query(request: web.Request, schema: type[Schema]) -> Json:
    query = request.query
    lists = {name for name, field in _instance(schema).fields.items() if isinstance(field, List)}
    twice = [
        (f"/{_escaped(key)}", ErrorCode.GIVEN_TWICE.format())
        for key in dict.fromkeys(query)
        if len(query.getall(key)) > 1 and key not in lists
    ]
    try:
        given = {key: query.getall(key) if key in lists else query[key] for key in query}
        loaded: Json = _instance(schema).load(given)
    except ValidationError as error:
        raise invalid([*twice, *pointers(error.messages)]) from None
    if twice:
        raise invalid(twice)
    return loaded


@cache
def _instance(schema: type[Schema]) -> Schema:
    return schema()


async def read_json(request: web.Request, bytes_max: int = 0) -> Any:
    """The value that the body is; ``bytes_max``: in place of the setting's limit. Raises Problem: 400, 413 or 415."""
    if request.content_type not in _TYPES:
        shown = request.headers.get("Content-Type", "nothing")[:100]
        raise Problem(415, ErrorCode.BODY_TYPE.format(type=shown), headers={"Accept": "application/json"})
    if (request.charset or "utf-8").lower() not in _CHARSETS:
        raise Problem(415, ErrorCode.BODY_CHARSET.format())
    settings = request.config_dict[SETTINGS]  # the panel asks from an application below the gateway's
    raw = bytearray()
    async for chunk in body_chunks(request, min(bytes_max or settings.http_body_bytes, settings.http_body_bytes)):
        raw += chunk
    if not raw or raw.isspace():
        raise Problem(400, ErrorCode.BODY_EMPTY.format())
    if raw.count(b",") > _COMMAS_MAX:
        raise Problem(400, ErrorCode.BODY_COMMAS.format(max=_COMMAS_MAX))
    if raw.count(b"[") + raw.count(b"{") > _BRACKETS_MAX:
        raise Problem(400, ErrorCode.BODY_BRACKETS.format(max=_BRACKETS_MAX))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        fault = ErrorCode.BODY_NOT_JSON.format(problem=error.msg, line=error.lineno, column=error.colno)
        raise Problem(400, fault) from None
    if _is_deeper(value, settings.http_json_depth):
        raise Problem(400, ErrorCode.BODY_TOO_DEEP.format(max=settings.http_json_depth))
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other more than ``levels`` deep; level by level, so without recursion."""
    layer: list[Any] = [[value]]
    for _ in range(levels + 2):
        if not layer:
            return False
        inside = [each.values() if isinstance(each, dict) else each for each in layer]
        layer = [inner for each in inside for inner in each if type(inner) is dict or type(inner) is list]
    return True


async def _also(check: Check, valid: Any, named: Iterable[str]) -> list[BadField]:
    """What the engine finds bad in the rest. A field that is missing there because it was bad is not named again."""
    if not isinstance(valid, dict):
        valid = {}
    try:
        await check(valid)
    except Problem as problem:
        if problem.status == _SHAPE:
            return [(pointer, message) for pointer, message in problem.errors if not _is_named(pointer, named)]
        if problem.status not in _MAY_BE_NAMED_LATER:
            raise
    return []


def _is_named(pointer: str, named: Iterable[str]) -> bool:
    return any(f"{each}/".startswith(f"{pointer}/") or pointer.startswith(f"{each}/") for each in named)


def pointers(messages: Any, base: str = "") -> Iterator[BadField]:
    """marshmallow's nested messages, each with where it is."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from pointers(inner, base if key == "_schema" else f"{base}/{_escaped(str(key))}")
    elif isinstance(messages, list):
        for each in messages:
            yield from pointers(each, base)
    else:
        yield base, messages if isinstance(messages, Fault) else Fault(str(messages))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
