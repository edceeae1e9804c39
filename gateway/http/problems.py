"""Errors as RFC 9457 problems: the one table from gRPC statuses to HTTP, and what callers are told.

A caller is told what it can mend. What went wrong inside is in the log, under the request's id.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

import orjson
from aiohttp import web
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from gateway.shapes.fields import ERRORS_MAX

Errors = Sequence[tuple[str, str]]
"""Bad fields: (JSON pointer, message); a query parameter or a header stands as ``/name``."""

CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="mailing"'
"""``WWW-Authenticate`` of each 401."""
RETRY_SECONDS: Final = 1
_POINTER_CHARACTERS_MAX: Final = 200
_MESSAGE_CHARACTERS_MAX: Final = 1000
_STATUS_KEY: Final = "grpc-status-details-bin"  # where google.rpc.Status travels, see grpcio-status
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # as RFC 9110 calls them


class Problem(Exception):
    """An error for the caller. ``errors`` names bad fields: (JSON pointer, message)."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.errors = _capped(list(errors))
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        """Further members of the body (RFC 9457, section 3.2)."""

    def body(self, instance: str) -> dict[str, Any]:
        """The JSON object; ``instance`` is the request's path."""
        errors = [{"pointer": pointer, "message": message} for pointer, message in self.errors]
        return {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "errors": errors,
            **self.extra,
        }

    def response(self, instance: str) -> web.Response:
        """The HTTP response."""
        return web.Response(
            status=self.status,
            body=orjson.dumps(self.body(instance)),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


def _capped(errors: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first errors, short: what is repeated of a request is little, however long it was."""
    found = [
        (_cut(pointer, _POINTER_CHARACTERS_MAX), _cut(message, _MESSAGE_CHARACTERS_MAX))
        for pointer, message in errors[:ERRORS_MAX]
    ]
    return found if len(errors) <= ERRORS_MAX else [*found, ("", f"and {len(errors) - ERRORS_MAX} more")]


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def title_of(status: int) -> str:
    """The name of an HTTP status: with the type ``about:blank`` it is the title (RFC 9457, section 4.2.1)."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


class _Rule(NamedTuple):
    """What becomes of a gRPC status."""

    status: int
    detail: str = ""
    """In place of the engine's words; empty: the engine's."""
    is_later: bool = False
    """Whether the same request may work later: ``Retry-After``."""
    headers: Mapping[str, str] = {}


_AWAY: Final = "the engine is away; try again"
_RULES: Final[Mapping[StatusCode, _Rule]] = {
    StatusCode.INVALID_ARGUMENT: _Rule(422),
    StatusCode.OUT_OF_RANGE: _Rule(422),
    StatusCode.UNAUTHENTICATED: _Rule(401, headers={"WWW-Authenticate": CHALLENGE}),
    StatusCode.PERMISSION_DENIED: _Rule(403),
    StatusCode.NOT_FOUND: _Rule(404),
    StatusCode.ALREADY_EXISTS: _Rule(409),
    StatusCode.FAILED_PRECONDITION: _Rule(409),
    StatusCode.ABORTED: _Rule(409, is_later=True),
    StatusCode.RESOURCE_EXHAUSTED: _Rule(429, is_later=True),
    StatusCode.UNIMPLEMENTED: _Rule(501, "the engine is of another version: it does not know this"),
    StatusCode.UNAVAILABLE: _Rule(503, is_later=True),
    # The caller is still here, so it was the engine that dropped the call: it stops.
    StatusCode.CANCELLED: _Rule(503, _AWAY, is_later=True),
    StatusCode.DEADLINE_EXCEEDED: _Rule(504, "the engine did not answer in time", is_later=True),
}
_REFERENCE: Final = re.compile(r"internal error, reference [0-9a-f]+")
"""What the engine says of a bug of its own: the words that its log has, too."""
_BUG: Final = _Rule(500, "something is wrong inside the service")


def of_rpc(error: aio.AioRpcError) -> Problem:
    """Say what an RPC that failed means to the caller."""
    details = list(_details(error))
    is_ours = any(isinstance(each, error_details_pb2.ErrorInfo) for each in details)
    text = _in_words_of_rest((error.details() or "").strip())
    rule = _RULES.get(error.code(), _BUG)
    if not is_ours:
        rule = _of_grpc_itself(error.code(), text, rule)
    headers = dict(rule.headers)
    if rule.is_later:
        headers["Retry-After"] = str(_retry_seconds(details))
    return Problem(rule.status, rule.detail or text or title_of(rule.status), _bad_fields(details), headers)


def _of_grpc_itself(code: StatusCode, text: str, rule: _Rule) -> _Rule:
    """gRPC's own words name addresses and library internals: they are not for callers."""
    if code is StatusCode.UNAVAILABLE:
        return rule._replace(detail=_AWAY)
    if code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        # Of two kinds: what the caller sent, or what it asked for.
        return _BUG if "CLIENT: Received" in text else _Rule(413, "the request is too large")
    if rule.status == 500 and _REFERENCE.fullmatch(text):
        return rule._replace(detail=text)
    return rule


def _retry_seconds(details: Iterable[Any]) -> int:
    for each in details:
        if isinstance(each, error_details_pb2.RetryInfo):
            seconds = math.ceil(each.retry_delay.seconds + each.retry_delay.nanos * 1e-9)
            return max(RETRY_SECONDS, int(seconds))
    return RETRY_SECONDS


def _bad_fields(details: Iterable[Any]) -> list[tuple[str, str]]:
    return [
        (pointer_of(violation.field), _in_words_of_rest(violation.description))
        for each in details
        if isinstance(each, error_details_pb2.BadRequest)
        for violation in each.field_violations
    ]


_KINDS: Final[Sequence[Callable[[], Any]]] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
)


def _details(error: aio.AioRpcError) -> Iterable[Any]:
    """The google.rpc details of an error that are of a kind used here."""
    for key, value in error.trailing_metadata() or ():
        if key != _STATUS_KEY:
            continue
        for packed in status_pb2.Status.FromString(cast("bytes", value)).details:
            for kind in _KINDS:
                found = kind()
                if packed.Unpack(found):
                    yield found


_STEPS: Final = re.compile(r"[^.\[\]]+")
_RENAMED: Final = {"request_id": "Idempotency-Key"}


def _in_words_of_rest(text: str) -> str:
    return text.replace("this request id", f"this {_RENAMED['request_id']}")


def pointer_of(field: str) -> str:
    """A field path as a JSON pointer: ``filter.tags[3]`` -> ``/filter/tags/3``; nothing is the whole body."""
    steps = _STEPS.findall(_RENAMED.get(field, field))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
