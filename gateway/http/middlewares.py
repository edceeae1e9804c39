"""What surrounds every handler: request id, access log, metrics, limits, and errors as problems."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_exceptions import HTTPException
from grpc import StatusCode, aio

from common.error_codes import ErrorCode
from common.hosts import HostGuard
from common.line_limit import LineLimit
from common.logs import get_logger
from common.networks import network_of
from gateway.http.admission import CALLER, declared_role, open_to_all, secret_of, whom_to_admit
from gateway.http.caller import address_of, is_https
from gateway.http.engine_client import KNOWN
from gateway.http.keys import ADMISSION, METRICS, SETTINGS, STRANGERS
from gateway.http.limits import CallerRates
from gateway.http.problems import Problem, of_rpc, title_of
from gateway.http.request_id import HEADER, request_id
from gateway.settings import Settings

log = get_logger(__name__)

API: Final = "/api/"
_CLIENT_GONE: Final = 499
"""Of requests whose caller went away before an answer: only logs and metrics see it."""
_STARTED: Final = web.RequestKey("started", bool)
_failures: Final = LineLimit()
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: a line for each would say nothing."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BODY_HEADERS: Final = frozenset({"content-type", "content-length"})
_CLOSING: Final = frozenset({401, 403, 408, 413})
"""Statuses after which a connection with a body is closed, even if all of the body has come."""
_PARAMETERS_MAX: Final = 1_000
"""An import may say of hundreds of columns what each is."""
_CODES: Final[Mapping[int, ErrorCode]] = {
    404: ErrorCode.NO_SUCH_PATH,
    405: ErrorCode.BAD_METHOD,
    413: ErrorCode.REQUEST_TOO_LARGE,
}


def middlewares(settings: Settings) -> Sequence[Middleware]:
    """Return them in the order in which a request passes them."""
    named = (require_host(HostGuard([settings.http_listen.host, *settings.http_hosts])),) if settings.http_hosts else ()
    return (observe, answer_problems, *named, limit_rate(settings.http_token_rate), admit)


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer, streams included."""
    request[_STARTED] = True
    headers = response.headers
    headers[HEADER] = request_id(request)
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if (seconds := request.config_dict[SETTINGS].http_hsts_seconds) and is_https(request):
        headers["Strict-Transport-Security"] = f"max-age={seconds}"
    headers.pop("Server", None)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log and count each request once it is answered. Neither query values nor bodies are logged."""
    metrics, strangers = request.app[METRICS], request.app[STRANGERS]
    began, status = time.perf_counter(), _CLIENT_GONE
    metrics.requests.inc()
    try:
        response = await handler(request)
        status = response.status
        return response
    except HTTPException as error:
        status = error.status
        raise
    finally:
        metrics.requests.inc(-1)
        seconds = time.perf_counter() - began
        method = request.method if request.method in _METHODS else "other"
        metrics.http_seconds(method, _route(request), status).observe(seconds)
        _log(request, strangers, method, status, seconds)


def _log(request: web.Request, strangers: LineLimit, method: str, status: int, seconds: float) -> None:
    """One line a request; of a stranger's one a second from each network: he could fill the disk with them."""
    more = {}
    if request.path in _QUIET:
        write = log.debug
    else:
        write = log.info
        if not (request.get(KNOWN) or request.get(CALLER)):
            left_out = strangers.admit(network_of(address_of(request)))
            if left_out is None:
                return
            more = {"more": left_out} if left_out else {}
    write(
        "http.request",
        method=method,
        # A number in a path may be written in ways that masking does not know: ten digits.
        path=_route(request) if "phone_number" in request.match_info else request.path[:256],
        status=status,
        seconds=round(seconds, 4),
        request_id=request_id(request),
        peer=address_of(request),
        **more,
    )


def _route(request: web.Request) -> str:
    """The route as it is declared, so that labels stay few."""
    resource = request.match_info.route.resource
    return "none" if resource is None else resource.canonical


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into a problem; redirects pass."""
    try:
        return await handler(request)
    except Exception as error:
        if isinstance(error, HTTPException) and error.status < 400:
            raise
        problem = _problem(error, request)
        if request.get(_STARTED):
            # Half of an answer is out: the connection is cut, so that nobody takes it for the whole.
            log.warning("http.cut", path=request.path, request_id=request_id(request), problem=str(problem))
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the answer could not be finished") from error
        response = problem.response(request.path)
        if not request.content.is_eof() or (request.body_exists and problem.status in _CLOSING):
            response.force_close()  # what is left of the body is not waited for
        return response


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers before anything of their request is looked at, and a body of whoever may not do this.

    For routes that ``operation`` declares; the panel's ask when they know its session (``admin.session``). The engine
    decides about calls without a body: of them only those are refused here that bear no token.
    """
    if request.query_string.count("&") >= _PARAMETERS_MAX:
        raise Problem(422, ErrorCode.TOO_MANY_PARAMETERS.format(max=_PARAMETERS_MAX))
    called = request.match_info.handler
    try:
        role = declared_role(called)
    except LookupError:
        return await handler(request)
    if role is None:
        open_to_all(request)
    elif request.body_exists:
        await request.app[ADMISSION].admit(request, whom_to_admit(called))
    else:
        secret_of(request)
    return await handler(request)


def _problem(error: Exception, request: web.Request) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, aio.AioRpcError):
        problem = of_rpc(error)
        if problem.status == 500 or error.code() is StatusCode.UNAVAILABLE:
            code = error.code().name
            _failures.write(
                log.warning, "engine.failed", code, code=code, detail=error.details(), request_id=request_id(request)
            )
        return problem
    if isinstance(error, HTTPException):
        detail = _CODES.get(error.status, ErrorCode.HTTP_STATUS).format(title=title_of(error.status))
        return Problem(error.status, detail, headers=_headers_of(error.headers))
    if isinstance(error, web.RequestPayloadError | HttpProcessingError):
        return Problem(400, ErrorCode.BODY_UNREADABLE.format())
    log.error("http.failed", exc_info=error, path=request.path, request_id=request_id(request))
    return Problem(500, ErrorCode.INTERNAL.format(reference=request_id(request)))


def _headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name): value for name, value in headers.items() if name.lower() not in _BODY_HEADERS}


def require_host(hosts: HostGuard) -> Middleware:
    """Refuse who was led here under a name that is not ours; see ``common.hosts``.

    Only where the operator has named us: a reverse proxy may pass on any name. What other pages may not send is no
    matter here: without a token, or both halves of a session, nothing is answered (``admin.session``).
    """

    @web.middleware
    async def require(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = hosts.refusal("GET", request.headers)
        if refusal is not None:
            raise Problem(refusal.status, refusal.fault.worded(f"{refusal.fault} (MAILING_HTTP_HOSTS)"))
        return await handler(request)

    return require


def limit_rate(rate: int) -> Middleware:
    """Refuse what goes beyond ``rate`` requests a second of one token, or of one address without a token.

    The panel's calls are counted where its sessions are deciphered (``admin.session``).
    """
    rates = CallerRates(rate)

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(API):
            rates.require(request.headers.get("Authorization") or address_of(request))
        return await handler(request)

    return limit
