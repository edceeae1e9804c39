"""The sandbox's HTTP: the providers' contract, the control API under ``/sandbox/`` and the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from common.hosts import HostGuard
from scripts.sandbox.desk import BODY_BYTES_MAX, INT64_MAX
from scripts.sandbox.fast import reset
from scripts.sandbox.provider import LIST_MAX, Provider
from scripts.sandbox.replies import TEXT_LENGTH_MAX
from scripts.sandbox.service import NoService
from scripts.sandbox.switches import BadSwitches

if TYPE_CHECKING:
    from scripts.sandbox.server import Sandbox

_PAGE: Final = Path(__file__).with_name("page")
_KINDS: Final = {".css": "css", ".js": "javascript"}
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def application(sandbox: Sandbox, hosts: HostGuard) -> web.Application:
    """All routes: each provider's below its own path, those of the whole sandbox at the root."""
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_guard(hosts), _errors])
    for file in _PAGE.iterdir():
        path, kind = ("", "html") if file.suffix == ".html" else (file.name, _KINDS[file.suffix])
        app.router.add_get(f"/{path}", partial(_page, file.read_bytes(), kind))
    for provider in sandbox.providers:
        app.router.add_post(f"{provider.base}/v1/send/{{message_id}}", partial(_take, provider))
        for method, path, handler in (
            ("GET", "faults", _get_faults),
            ("PATCH", "faults", _patch_faults),
            ("GET", "receipts", _get_receipts),
            ("PATCH", "receipts", _patch_receipts),
            ("GET", "stats", _get_stats),
            ("GET", "messages", _get_messages),
        ):
            app.router.add_route(method, f"{provider.base}/sandbox/{path}", partial(handler, provider))
    for method, path, whole in (
        ("GET", "providers", _get_providers),
        ("GET", "conversations", _get_conversations),
        ("POST", "replies", _post_reply),
        ("POST", "reset", _post_reset),
    ):
        app.router.add_route(method, f"/sandbox/{path}", partial(whole, sandbox))
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error is JSON that says why."""
    try:
        return await handler(request)
    except BadSwitches as error:
        return _json({"code": 400, "message": str(error), "errors": error.errors}, 400)
    except NoService as error:
        return _json({"code": 409, "message": str(error)}, 409)
    except web.HTTPException as error:
        allow = {name: value for name, value in error.headers.items() if name == "Allow"}
        response = _json({"code": error.status, "message": error.text or error.reason}, error.status)
        response.headers.update(allow)
        return response


def _guard(hosts: HostGuard) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Neither the page of another site, nor one that has given its name our address: see ``common.hosts``."""
        refusal = hosts.refusal(request.method, request.headers)
        if refusal is not None:
            return _json({"code": refusal.status, "message": refusal.fault}, refusal.status)
        return await handler(request)

    return guard


async def _page(body: bytes, kind: str, _: web.Request) -> web.Response:
    return web.Response(body=body, content_type=f"text/{kind}", charset="utf-8", headers=_PAGE_HEADERS)


async def _take(provider: Provider, request: web.Request) -> web.StreamResponse:
    """Answer a call that did not come in its plain form; see ``fast``."""
    path_id = request.match_info["message_id"].encode()
    authorized = request.headers.get("Authorization") == f"Bearer {provider.token}"
    reply = provider.desk.take(path_id, authorized, await request.read())
    await asyncio.sleep(provider.desk.delay_seconds(path_id))
    if reply.name == "hang":
        await asyncio.Event().wait()  # cancelled when the client hangs up
    if reply.is_reset and request.transport is not None:
        reset(request.transport)
    headers = {"Retry-After": reply.retry_after} if reply.retry_after is not None else None
    return web.Response(body=reply.body, status=reply.status or 500, headers=headers, content_type="application/json")


async def _get_faults(provider: Provider, _: web.Request) -> web.Response:
    return _json(provider.faults.as_json())


async def _patch_faults(provider: Provider, request: web.Request) -> web.Response:
    return _json(provider.set_faults(**await _object(request)).as_json())


async def _get_receipts(provider: Provider, _: web.Request) -> web.Response:
    return _json(provider.receipts.as_json())


async def _patch_receipts(provider: Provider, request: web.Request) -> web.Response:
    return _json(provider.set_receipts(**await _object(request)).as_json())


async def _object(request: web.Request) -> dict[str, object]:
    try:
        data = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise web.HTTPBadRequest(text="the body should be a JSON object")
    return data


async def _get_stats(provider: Provider, _: web.Request) -> web.Response:
    return _json(provider.stats())


async def _get_providers(sandbox: Sandbox, _: web.Request) -> web.Response:
    return _json(sandbox.overview())


async def _get_messages(provider: Provider, request: web.Request) -> web.Response:
    _check_known(request, {"id", "phone", "limit"})
    found = provider.messages(
        message_id=_integer(request, "id", INT64_MAX),
        phone=_integer(request, "phone", INT64_MAX),
        limit=_integer(request, "limit", LIST_MAX) or 100,
    )
    return _json({"messages": found})


async def _get_conversations(sandbox: Sandbox, request: web.Request) -> web.Response:
    _check_known(request, {"contains", "limit"})
    digits = "".join(filter(str.isdigit, request.query.get("contains", "")))
    return _json(sandbox.conversations(digits, _integer(request, "limit", LIST_MAX) or 100))


async def _post_reply(sandbox: Sandbox, request: web.Request) -> web.Response:
    data = await _object(request)
    phone, text = data.get("phone"), data.get("text")
    if type(phone) is not int or not 1 <= phone <= INT64_MAX:
        raise web.HTTPBadRequest(text="phone: should be a number, as the sandbox got it")
    if type(text) is not str or not 1 <= len(text.strip()) <= TEXT_LENGTH_MAX:
        raise web.HTTPBadRequest(text=f"text: should be a string of 1 to {TEXT_LENGTH_MAX} characters")
    return _json(await sandbox.reply(phone, text))


async def _post_reset(sandbox: Sandbox, _: web.Request) -> web.Response:
    sandbox.reset()
    return _json(sandbox.stats())


def _check_known(request: web.Request, names: Set[str]) -> None:
    if unknown := request.query.keys() - names:
        raise web.HTTPBadRequest(text=f"unknown parameter {min(unknown)!r}; known are {', '.join(sorted(names))}")


def _integer(request: web.Request, name: str, largest: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if 1 <= (number := int(text)) <= largest:
            return number
    raise web.HTTPBadRequest(text=f"{name}: should be a whole number from 1 to {largest}")


def _json(data: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")
