"""What a call of the panel says, in its query or its body: checked before anything is asked of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from aiohttp_admin.backends.abc import GetListParams, GetManyParams, GetOneParams
from aiohttp_admin.security import check
from marshmallow import Schema
from marshmallow import ValidationError as SchemaError
from pydantic import ValidationError

from common.error_codes import ErrorCode
from gateway.http.body import pointers, read_json
from gateway.http.problems import BadField, Problem, invalid

PAGE_SIZE_MAX: Final = 1000
_ID_MAX: Final = 2**63 - 1
_SKIP_MAX: Final = 2**31 - 1
"""What the contract's ``skip`` can say."""
Params = TypeVar("Params")


def list_params(request: web.Request) -> GetListParams:
    """A list's pagination, sort and filter. Raises Problem (422)."""
    return _params(GetListParams, request)


def one_id(request: web.Request) -> int:
    """The id of the one record that is asked for. Raises Problem: 404, nothing can have it; 422, there is none."""
    return id_of(_params(GetOneParams, request)["id"])


def many_ids(request: web.Request) -> list[int]:
    """The ids of some records. Raises Problem: 404 or 422."""
    return ids_of(_params(GetManyParams, request)["ids"])


def paging(params: GetListParams, key: str) -> tuple[dict[str, Any], list[BadField]]:
    """``page_size``, ``skip`` and ``order_by`` of a List request, and what is bad about them."""
    page, size = params["pagination"]["page"], params["pagination"]["perPage"]
    bad: list[BadField] = []
    if not 1 <= size <= PAGE_SIZE_MAX:
        bad.append(("/pagination/perPage", ErrorCode.OUT_OF_RANGE.format(min=1, max=PAGE_SIZE_MAX)))
    elif not 0 <= (page - 1) * size <= _SKIP_MAX:
        bad.append(("/pagination/page", ErrorCode.OUT_OF_RANGE.format(min=1, max=_SKIP_MAX // size + 1)))
    if params["sort"]["field"] not in ("id", key):
        bad.append(("/sort/field", ErrorCode.BAD_SORT.format(choices=key)))
    order = "id desc" if params["sort"]["order"] == "DESC" else "id"
    return {"page_size": size, "skip": (page - 1) * size, "order_by": order}, bad


def filters_of(
    given: Mapping[str, Any], known: Sequence[str], switches: Sequence[str] = (), by_names: Sequence[str] = ()
) -> tuple[dict[str, Any], list[BadField]]:
    """The filters that say something, and what is bad: one that does nothing would lie, so it is refused.

    ``switches``: those of ``known`` that are true or not there; ``by_names``: those that are texts by names; the others
    are texts or whole numbers.
    """
    found = {key: value for key, value in given.items() if value not in (None, "")}
    bad: list[BadField] = []
    for key, value in found.items():
        if key not in known:
            bad.append((f"/filter/{key[:100]}", ErrorCode.NOT_A_FILTER.format()))
        elif key in by_names:
            bad += _not_texts(f"/filter/{key}", value)
        elif (key in switches) != isinstance(value, bool) or not isinstance(value, str | int):
            code = ErrorCode.NOT_TRUE if key in switches else ErrorCode.NOT_TEXT_OR_WHOLE
            bad.append((f"/filter/{key}", code.format()))
    return found, bad


def filter_in(request: web.Request) -> Mapping[str, Any]:
    """The ``filter`` of a query; none: an empty one. Raises Problem (422): it is no object."""
    try:
        found = orjson.loads(request.query.get("filter", "{}"))
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise invalid([("/filter", ErrorCode.NOT_OBJECT.format())])
    return found


def _not_texts(pointer: str, value: Any) -> list[BadField]:
    """What is bad about texts by names."""
    if not isinstance(value, dict):
        return [(pointer, ErrorCode.NOT_OBJECT.format())]
    return [
        (f"{pointer}/{name[:100]}", ErrorCode.NOT_TEXT.format()) for name in value if not isinstance(value[name], str)
    ]


def whole_number(filters: Mapping[str, Any], key: str) -> int | None:
    """A filter that is an id: react-admin sends it as a text. Raises Problem (422)."""
    if key not in filters:
        return None
    try:
        return id_of(filters[key])
    except Problem:
        raise invalid([(f"/filter/{key}", ErrorCode.NOT_WHOLE_ABOVE_0.format())]) from None


def checked(schema: type[Schema], data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` as REST's schema loads it. Raises Problem (422) with every bad field."""
    try:
        loaded: dict[str, Any] = schema().load(data)
    except SchemaError as error:
        raise invalid(list(pointers(error.messages))) from None
    return loaded


async def body_of(request: web.Request, **keys: type) -> dict[str, Any]:
    """The JSON object of a body, which has these keys with values of these types. Raises Problem."""
    data = await read_json(request)
    if not isinstance(data, dict):
        raise Problem(422, ErrorCode.BODY_NOT_OBJECT.format())
    bad = [
        (f"/{key}", ErrorCode.MISSING_OR_OTHER_TYPE.format())
        for key, kind in keys.items()
        if key not in data or not isinstance(data[key], kind)
    ]
    if bad:
        raise invalid(bad)
    return data


def id_of(value: Any) -> int:
    """An id, as a number or a text. Raises Problem (404): nothing can have such an id."""
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= len(str(_ID_MAX)) and 0 < int(text) <= _ID_MAX:
        return int(text)
    raise Problem(404, ErrorCode.NO_SUCH_ID.format())


def ids_of(values: Sequence[Any]) -> list[int]:
    """Some ids, each once. Raises Problem: 404, or 422 when there are none or too many."""
    if not 1 <= len(values) <= PAGE_SIZE_MAX:
        raise invalid([("/ids", ErrorCode.BAD_ID_COUNT.format(max=PAGE_SIZE_MAX, count=len(values)))])
    return list(dict.fromkeys(id_of(value) for value in values))


def _params(kind: type[Params], request: web.Request) -> Params:
    try:
        # aiohttp-admin's own reading; its types are TypedDicts, which mypy takes for no Hashable.
        return check(kind, request.query)
    except ValidationError as error:
        raise invalid([_bad_parameter(each["loc"], each["msg"]) for each in error.errors()]) from None


def _bad_parameter(path: Sequence[object], problem: str) -> BadField:
    return "/" + "/".join(str(step)[:100] for step in path), ErrorCode.BAD_PARAMETER.format(problem=problem)
