"""The sandbox's HTTP: the provider's contract, the control API under ``/sandbox/`` and the page."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Final, Self

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from common.hosts import HostGuard
from scripts.sandbox.desk import BODY_BYTES_MAX, INT64_MAX, Desk
from scripts.sandbox.fast import FastConnection, FastLane, reset
from scripts.sandbox.faults import NO_FAULTS, BadFaults, Faults
from scripts.sandbox.ledger import Call, Ledger
from scripts.sandbox.replies import TEXT_LENGTH_MAX, NoService, Replies, Service

DEFAULT_TOKEN: Final = "sandbox-token"
DEFAULT_KEEP: Final = 1000
LIST_MAX: Final = 1000
_PAGE: Final = Path(__file__).with_name("page.html")
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


class Sandbox:
    """A provider that can be told to fail.

    ``async with await Sandbox.start() as sandbox:`` runs one on a free port; ``sandbox.url`` is what
    ``MAILING_PROVIDER_URL`` should be, ``sandbox.token`` the token.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
        keep: int = DEFAULT_KEEP,
        names: Sequence[str] = (),
        ledger: Ledger | None = None,
        service: Service | None = None,
    ) -> None:
        """Listens to nothing yet: see ``listen``.

        Args:
            token: the only bearer token that is accepted.
            faults: the switches to begin with.
            seed: decides which messages fail.
            keep: how many of the latest messages keep their text and calls.
            names: by which it may be called, beside addresses, localhost and the host it listens on.
            service: which gets what people answer.
            ledger: notes the calls in the place of one that is made here with ``keep``.
        """
        self._desk = Desk(token, faults, seed, Ledger(keep) if ledger is None else ledger)
        self._replies = Replies(service, keep)
        self._names = names
        self._host = "127.0.0.1"
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._lane: FastLane | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        token: str = DEFAULT_TOKEN,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
        keep: int = DEFAULT_KEEP,
        names: Sequence[str] = (),
        ledger: Ledger | None = None,
        service: Service | None = None,
    ) -> Self:
        """Make one that listens; port 0: a free one.

        Raises:
            OSError: the port can't be listened on.
        """
        sandbox = cls(token=token, faults=faults, seed=seed, keep=keep, names=names, ledger=ledger, service=service)
        await sandbox.listen(port, host=host)
        return sandbox

    async def listen(self, port: int | None = None, *, host: str | None = None) -> None:
        """Listen, or listen again after ``stop`` (on the same port, remembering everything)."""
        host = self._host if host is None else host
        hosts = HostGuard([host, *self._names])
        self._runner = web.AppRunner(
            _application(self, hosts), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._lane = lane = FastLane(self._desk, hosts, self._runner.server)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: FastConnection(lane),
                host,
                self._port if port is None else port,
                backlog=4096,
            )
        except OSError:
            await self._runner.cleanup()
            raise
        self._host, self._port = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close the port and every connection: from now on calls are refused."""
        if self._server is None or self._runner is None or self._lane is None:
            return
        self._server.close()
        for connection in list(self._lane.connections):
            connection.abort()
        await self._runner.cleanup()
        self._server = self._runner = self._lane = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def root_url(self) -> str:
        """Where the page is; the control API is below ``/sandbox/``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def url(self) -> str:
        """The provider's base URL."""
        return f"{self.root_url}/v1"

    @property
    def token(self) -> str:
        """The token that is accepted."""
        return self._desk.token

    @property
    def faults(self) -> Faults:
        """The switches as they are."""
        return self._desk.faults

    def set_faults(self, **changes: object) -> Faults:
        """Change some switches; the others stay.

        Raises:
            BadFaults: unknown names or values.
        """
        changed = self._desk.faults.changed(changes)
        # By identity: the desk recognises "no faults" with one comparison.
        self._desk.faults = NO_FAULTS if changed == NO_FAULTS else changed
        return self._desk.faults

    def clear_faults(self) -> None:
        """Everything works again."""
        self._desk.faults = NO_FAULTS

    def stats(self) -> dict[str, object]:
        """What ``GET /sandbox/stats`` says."""
        return self._desk.ledger.stats(time.time_ns() // 1000)

    @property
    def requests(self) -> int:
        """Requests of any kind to ``/v1/send/``."""
        return self._desk.ledger.requests

    @property
    def accepted(self) -> int:
        """Calls answered with success."""
        return self._desk.ledger.accepted

    def count(self, message_id: int) -> int:
        """How often the id was called, however it was answered."""
        return self._desk.ledger.calls(message_id)

    def accepted_count(self, message_id: int) -> int:
        """How often a call for the id was answered with success."""
        return self._desk.ledger.accepted_calls(message_id)

    def accepted_ids(self) -> list[int]:
        """Every id that was accepted at least once."""
        return self._desk.ledger.accepted_ids()

    def calls(self, message_id: int) -> list[Call]:
        """The calls for an id, oldest first (of the latest ``keep`` messages; 100 calls of each)."""
        message = self._desk.ledger.latest.get(message_id)
        return list(message.calls) if message is not None else []

    def messages(
        self, *, message_id: int | None = None, phone: int | None = None, limit: int = LIST_MAX
    ) -> list[dict[str, object]]:
        """What ``GET /sandbox/messages`` says."""
        return self._desk.ledger.find(message_id, phone, limit)

    async def reply(self, phone: int, text: str) -> dict[str, object]:
        """Answer a text as the person with this number; see ``POST /sandbox/replies``.

        Raises:
            NoService: there is nobody to hand it to.
        """
        return (await self._replies.send(phone, text)).as_json()

    def conversations(self, digits: str = "", limit: int = LIST_MAX) -> dict[str, object]:
        """What ``GET /sandbox/conversations`` says."""
        found = self._replies.conversations(self._desk.ledger, digits, limit)
        return {"conversations": found, "takes_replies": self._replies.service is not None}

    def reset(self) -> None:
        """Forget all messages, replies and counts; the faults stay."""
        self._desk.ledger.clear()
        self._replies.clear()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer a call that did not come in its plain form; see ``fast``."""
        path_id = request.match_info["message_id"].encode()
        authorized = request.headers.get("Authorization") == f"Bearer {self.token}"
        reply = self._desk.take(path_id, authorized, await request.read())
        await asyncio.sleep(self._desk.delay_seconds(path_id))
        if reply.name == "hang":
            await asyncio.Event().wait()  # cancelled when the client hangs up
        if reply.name == "reset" and request.transport is not None:
            reset(request.transport)
        headers = {"Retry-After": reply.retry_after} if reply.retry_after is not None else None
        return web.Response(
            body=reply.body, status=reply.status or 500, headers=headers, content_type="application/json"
        )


def _application(sandbox: Sandbox, hosts: HostGuard) -> web.Application:
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_guard(hosts), _errors])
    app.router.add_post("/v1/send/{message_id}", sandbox.take)
    app.router.add_get("/", _page)
    for method, path, handler in (
        ("GET", "faults", _get_faults),
        ("PATCH", "faults", _patch_faults),
        ("GET", "stats", _get_stats),
        ("GET", "messages", _get_messages),
        ("GET", "conversations", _get_conversations),
        ("POST", "replies", _post_reply),
        ("POST", "reset", _post_reset),
    ):
        app.router.add_route(method, f"/sandbox/{path}", partial(handler, sandbox))
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error is JSON that says why."""
    try:
        return await handler(request)
    except BadFaults as error:
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


async def _page(_: web.Request) -> web.Response:
    return web.Response(body=_PAGE.read_bytes(), content_type="text/html", charset="utf-8", headers=_PAGE_HEADERS)


async def _get_faults(sandbox: Sandbox, _: web.Request) -> web.Response:
    return _json(sandbox.faults.as_json())


async def _patch_faults(sandbox: Sandbox, request: web.Request) -> web.Response:
    return _json(sandbox.set_faults(**await _object(request)).as_json())


async def _object(request: web.Request) -> dict[str, object]:
    try:
        data = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise web.HTTPBadRequest(text="the body should be a JSON object")
    return data


async def _get_stats(sandbox: Sandbox, _: web.Request) -> web.Response:
    return _json(sandbox.stats())


async def _get_messages(sandbox: Sandbox, request: web.Request) -> web.Response:
    _check_known(request, {"id", "phone", "limit"})
    found = sandbox.messages(
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
