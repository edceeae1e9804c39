"""What the routes share: ids in paths, keys of repeats, and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web
from grpc import aio

from common.attribute_cells import is_attribute_name
from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.http.body import load, read_query
from gateway.http.problems import Problem, invalid, of_rpc
from gateway.shapes import Input

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
ID: Final = "[0-9]+"
"""An id in a path, so that ``/clients/{client_id}`` is another thing than ``/clients/export`` for all methods."""
_ID_MAX: Final = 2**63 - 1
_ID_DIGITS: Final = 19
_KEY_LENGTH_MAX: Final = 128


def json_answer(data: Any, status: int = 200, *, location: str | None = None) -> web.Response:
    """An answer in JSON; ``location``: where the thing is that was made."""
    headers = None if location is None else {"Location": location}
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json", headers=headers)


def no_content() -> web.Response:
    """Done, and nothing to say."""
    return web.Response(status=204)


def id_in_path(request: web.Request, name: str) -> int:
    """The id in the path.

    Raises:
        Problem: 404, nothing can have such an id.
    """
    text = request.match_info[name]
    if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS and 0 < int(text) <= _ID_MAX:
        return int(text)
    raise Problem(404, ErrorCode.NO_SUCH_ID.format())


def idempotency_key(request: web.Request) -> str:
    """The key that makes a repeat safe; empty: the caller sent none.

    Raises:
        Problem: 422, it is no key.
    """
    keys = request.headers.getall(IDEMPOTENCY_HEADER, [])
    if not keys:
        return ""
    key = keys[0]
    if len(keys) > 1 or not 1 <= len(key) <= _KEY_LENGTH_MAX or not all("!" <= letter <= "~" for letter in key):
        fault = ErrorCode.BAD_KEY.format(max=_KEY_LENGTH_MAX)
        raise Problem(422, fault.worded(f"{IDEMPOTENCY_HEADER} {fault}"), [(f"/{IDEMPOTENCY_HEADER}", fault)])
    return key


def named_columns(text: str | None) -> list[str] | None:
    """Names of attributes with commas between them; None stays. Raises Problem (422): there is a bad one."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not all(map(is_attribute_name, names)):
        raise invalid([("/attributes", ErrorCode.BAD_ATTRIBUTE_NAME.format())])
    return list(dict.fromkeys(names))


def no_query(request: web.Request) -> None:
    """Nothing may be asked for in the query. Raises Problem (422) naming each parameter."""
    if request.query_string:
        read_query(request, Input)


async def checked(schema: type[Input], data: Any, check: Callable[[Json], Awaitable[object]] | None = None) -> Json:
    """What was read; see ``load``. ``check`` makes a call that changes nothing, with what the schema has let through.

    Raises:
        Problem: see ``load``.
    """
    if check is None:
        return await load(schema, data)
    ask = check

    async def asked(valid: Json) -> None:
        try:
            await ask(valid)
        except aio.AioRpcError as error:
            raise of_rpc(error) from error

    return await load(schema, data, asked)
