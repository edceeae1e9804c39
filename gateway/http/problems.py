"""Errors as RFC 9457 problems: the one table from gRPC statuses to HTTP, and what callers are told.

A caller is told what it can mend. What went wrong inside is in the log, under the request's id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, Self, cast

import orjson
from aiohttp import web
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from common.error_codes import NOTHING, ErrorCode, Fault
from gateway.shapes.fields import ERRORS_MAX
from mailing.v1 import error_pb2

BadField = tuple[str, Fault]
"""(JSON pointer, what is wrong there); a query parameter or a header stands as ``/name``."""

CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="mailing"'
"""``WWW-Authenticate`` of each 401."""
RETRY_SECONDS: Final = 1
_POINTER_CHARACTERS_MAX: Final = 200
_MESSAGE_CHARACTERS_MAX: Final = 1000
_STATUS_KEY: Final = "grpc-status-details-bin"  # where google.rpc.Status travels, see grpcio-status
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # as RFC 9110 calls them


class Problem(Exception):
    """An error for the caller. ``errors`` names bad fields."""

    def __init__(
        self,
        status: int,
        detail: Fault,
        errors: Iterable[BadField] = (),
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
        errors = [{"pointer": pointer, **fault_json(fault)} for pointer, fault in self.errors]
        return {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.detail.code,
            "arguments": dict(self.detail.arguments),
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


def invalid(errors: Sequence[BadField]) -> Problem:
    """What is said of a request with bad fields."""
    return Problem(422, ErrorCode.INVALID_FIELDS.format(count=len(errors)), errors)


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as REST shows it."""
    return {"message": str(fault), "code": fault.code, "arguments": dict(fault.arguments)}


def _capped(errors: list[BadField]) -> list[BadField]:
    """The first errors, short: what is repeated of a request is little, however long it was."""
    found = [(_cut(pointer, _POINTER_CHARACTERS_MAX), _short(fault)) for pointer, fault in errors[:ERRORS_MAX]]
    more = len(errors) - ERRORS_MAX
    return [*found, ("", ErrorCode.MORE_FIELDS.format(count=more))] if more > 0 else found


def _short(fault: Fault) -> Fault:
    if len(fault) <= _MESSAGE_CHARACTERS_MAX:
        return fault
    arguments = {name: _cut(value, _MESSAGE_CHARACTERS_MAX) for name, value in fault.arguments.items()}
    return Fault(_cut(fault, _MESSAGE_CHARACTERS_MAX), fault.code, arguments)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def title_of(status: int) -> str:
    """The name of an HTTP status: with the type ``about:blank`` it is the title (RFC 9457, section 4.2.1)."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


class _Rule(NamedTuple):
    """What becomes of a gRPC status."""

    status: int
    detail: ErrorCode | None = None
    """In place of the engine's words; ``None``: the engine's."""
    is_later: bool = False
    """Whether the same request may work later: ``Retry-After``."""
    headers: Mapping[str, str] = {}


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
    StatusCode.UNIMPLEMENTED: _Rule(501, ErrorCode.ENGINE_VERSION),
    StatusCode.UNAVAILABLE: _Rule(503, is_later=True),
    # The caller is still here, so it was the engine that dropped the call: it stops.
    StatusCode.CANCELLED: _Rule(503, ErrorCode.ENGINE_AWAY, is_later=True),
    StatusCode.DEADLINE_EXCEEDED: _Rule(504, ErrorCode.ENGINE_LATE, is_later=True),
}
_BUG: Final = _Rule(500, ErrorCode.UNKNOWN_FAILURE)
_BUG_OF_ENGINE: Final = _Rule(500)
"""The engine says of it no more than the reference under which its log has it."""


def of_rpc(error: aio.AioRpcError) -> Problem:
    """Say what an RPC that failed means to the caller."""
    details = _Details.of(error)
    text, info = (error.details() or "").strip(), details.info
    if info is None:
        rule = _of_grpc_itself(error.code(), text)
    else:
        rule = _RULES.get(error.code(), _BUG_OF_ENGINE if info.reason == ErrorCode.INTERNAL.name else _BUG)
    headers = dict(rule.headers)
    if rule.is_later:
        headers["Retry-After"] = str(details.retry_seconds)
    if rule.detail is not None:
        fault = rule.detail.format()
    elif info is None or not text:
        fault = ErrorCode.HTTP_STATUS.format(title=text or title_of(rule.status))
    else:
        fault = _in_words_of_rest(Fault(text, info.reason, dict(info.metadata)))
    return Problem(rule.status, fault, details.bad_fields(), headers)


def _of_grpc_itself(code: StatusCode, text: str) -> _Rule:
    """gRPC's own words name addresses and library internals: they are not for callers."""
    rule = _RULES.get(code, _BUG)
    if code is StatusCode.UNAVAILABLE:
        return rule._replace(detail=ErrorCode.ENGINE_AWAY)
    if code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        # Of two kinds: what the caller sent, or what it asked for.
        return _BUG if "CLIENT: Received" in text else _Rule(413, ErrorCode.REQUEST_TOO_LARGE)
    return rule


class _Details(NamedTuple):
    """The google.rpc details of an error that are of a kind used here."""

    info: error_details_pb2.ErrorInfo | None = None
    """``None``: it is gRPC that speaks, not the engine."""
    bad_request: error_details_pb2.BadRequest | None = None
    arguments: error_pb2.BadRequestArguments | None = None
    retry: error_details_pb2.RetryInfo | None = None

    @classmethod
    def of(cls, error: aio.AioRpcError) -> Self:
        """Unpack them."""
        found: dict[str, Any] = {}
        for key, value in error.trailing_metadata() or ():
            if key != _STATUS_KEY:
                continue
            for packed in status_pb2.Status.FromString(cast("bytes", value)).details:
                for name, kind in _KINDS.items():
                    if packed.Is(kind.DESCRIPTOR):
                        found[name] = kind.FromString(packed.value)
        return cls(**found)

    @property
    def retry_seconds(self) -> int:
        """When it may be tried again, in whole seconds, 1 at least."""
        if self.retry is None:
            return RETRY_SECONDS
        delay = self.retry.retry_delay
        return max(RETRY_SECONDS, int(delay.seconds + (delay.nanos > 0)))

    def bad_fields(self) -> list[BadField]:
        """All that are named, with what is wrong with them."""
        if self.bad_request is None:
            return []
        # An engine of another version has no arguments.
        arguments = [dict(each.values) for each in self.arguments.field_violations] if self.arguments else []
        return [
            (pointer_of(each.field), _in_words_of_rest(Fault(each.description, each.reason, values)))
            for each, values in zip(self.bad_request.field_violations, chain(arguments, repeat(NOTHING)), strict=False)
        ]


_KINDS: Final[Mapping[str, Any]] = {
    "info": error_details_pb2.ErrorInfo,
    "bad_request": error_details_pb2.BadRequest,
    "arguments": error_pb2.BadRequestArguments,
    "retry": error_details_pb2.RetryInfo,
}


_STEPS: Final = re.compile(r"[^.\[\]]+")
_RENAMED: Final = {"request_id": "Idempotency-Key"}


def _in_words_of_rest(fault: Fault) -> Fault:
    return fault.worded(fault.replace("this request id", f"this {_RENAMED['request_id']}"))


def pointer_of(field: str) -> str:
    """A field path as a JSON pointer: ``filter.tags[3]`` -> ``/filter/tags/3``; nothing is the whole body."""
    steps = _STEPS.findall(_RENAMED.get(field, field))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
