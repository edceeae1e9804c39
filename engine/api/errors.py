"""From an exception to what the caller is told: one table.

The details are those of google.rpc (AIP-193): ``ErrorInfo`` always, ``BadRequest`` for fields,
``ResourceInfo`` for what does not exist, ``PreconditionFailure`` for what is read-only, ``RetryInfo``
for what may work later. Field paths are those of the resource (``filter.tags[3]``) or of the
request (``page_token``), as they stand in the body or the query of the HTTP request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import Status, StatusCode
from grpc_status import rpc_status

from engine.api.repeats import InProgress
from engine.domain.access import Forbidden, Impossible, TooManyCalls, TooManyTries, Unauthenticated
from engine.domain.errors import Conflict, FieldError, InvalidInput, NotFound, ReadOnly
from engine.ports import StoreUnavailable
from engine.store.errors import TooLong

ERROR_DOMAIN: Final = "mailing.v1"
RETRY_DELAY_SECONDS: Final = 1

# An error travels in the call's metadata, of which a gRPC client takes 8 KiB: with more it gets
# RESOURCE_EXHAUSTED in place of the error. Details grow by a third (base64), text up to three times
# (percent encoding): 4,500 * 4/3 + 600 * 3 = 7,800.
_VIOLATIONS_BYTES_MAX: Final = 4_300
_MESSAGE_CHARACTERS_MAX: Final = 500


class Stopping(Exception):
    """The engine stops: a long stream ends; the caller may ask another engine, or come back later."""


class Unreadable(Exception):
    """What came is no message of the method's type."""


class Unimplemented(Exception):
    """The contract has the method, and the servicer has not."""


class Reply(NamedTuple):
    """What the caller is told."""

    code: StatusCode
    reason: str
    """For machines (``ErrorInfo.reason``)."""
    message: str
    """For people: one line."""
    details: tuple[Message, ...] = ()

    def status(self) -> Status:
        """The same as gRPC sends it, the details in the trailing metadata."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=ERROR_DOMAIN)
        return rpc_status.to_status(
            status_pb2.Status(
                code=self.code.value[0], message=self.message, details=[_packed(each) for each in (info, *self.details)]
            )
        )


def reply_to(error: Exception) -> Reply | None:
    """Say what the caller is told of ``error``; ``None``: nothing, it is a bug of ours."""
    return next((build(error) for kind, build in _TABLE if isinstance(error, kind)), None)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _bad_request(errors: Sequence[FieldError], more: int = 0) -> error_details_pb2.BadRequest:
    """All bad fields, as far as they go into the metadata; ``more``: how many there are besides."""
    detail = error_details_pb2.BadRequest()
    for error in errors:
        violation = detail.field_violations.add(field=error.field, description=error.message)
        left = len(errors) - len(detail.field_violations)
        if detail.ByteSize() > _VIOLATIONS_BYTES_MAX or (more and not left):
            left += more
            violation.description = f"{error.message} (and {left} more fields are bad)" if left else error.message
            break
    return detail


def _invalid(error: InvalidInput) -> Reply:
    text = str(error)
    if len(text) > _MESSAGE_CHARACTERS_MAX:
        text = text[:_MESSAGE_CHARACTERS_MAX] + "…"
    return Reply(StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", text, (_bad_request(error.errors, error.more),))


def _not_found(error: NotFound) -> Reply:
    detail = error_details_pb2.ResourceInfo(
        resource_type=error.kind, resource_name=str(error.id), description=str(error)
    )
    return Reply(StatusCode.NOT_FOUND, "NOT_FOUND", str(error), (detail,))


def _conflict(error: Conflict) -> Reply:
    details = (_bad_request([FieldError(error.field, error.message)]),) if error.field else ()
    # A request id that was used for something else is a mistake in this request, not a thing that exists.
    if error.field == "request_id":
        return Reply(StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED", error.message, details)
    return Reply(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", error.message, details)


def _read_only(error: ReadOnly) -> Reply:
    detail = error_details_pb2.PreconditionFailure()
    detail.violations.add(type="READ_ONLY", description=error.message)
    return Reply(StatusCode.FAILED_PRECONDITION, "READ_ONLY", error.message, (detail,))


def _in_progress(_: InProgress) -> Reply:
    message = "a request with this request id is being worked on; repeat it for its answer"
    return Reply(StatusCode.ABORTED, "REQUEST_IN_PROGRESS", message, (_retry(),))


def _retry() -> error_details_pb2.RetryInfo:
    return error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_DELAY_SECONDS))


def _impossible(error: Impossible) -> Reply:
    detail = error_details_pb2.PreconditionFailure()
    detail.violations.add(type=error.reason, description=str(error))
    return Reply(StatusCode.FAILED_PRECONDITION, error.reason, str(error), (detail,))


def _too_many(reason: str) -> Callable[[TooManyTries | TooManyCalls], Reply]:
    def reply(error: TooManyTries | TooManyCalls) -> Reply:
        seconds = max(1, math.ceil(error.wait_seconds))
        retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))
        return Reply(StatusCode.RESOURCE_EXHAUSTED, reason, str(error), (retry,))

    return reply


def _too_long(error: TooLong) -> Reply:
    return Reply(StatusCode.RESOURCE_EXHAUSTED, "TOO_LONG", str(error), (_retry(),))


def _plain(code: StatusCode) -> Callable[[Exception], Reply]:
    return lambda error: Reply(code, code.name, str(error))


def _unavailable(message: str) -> Callable[[Exception], Reply]:
    # The database's own words may name hosts and files: those are for the log.
    return lambda _: Reply(StatusCode.UNAVAILABLE, "UNAVAILABLE", message, (_retry(),))


_TABLE: Final[Sequence[tuple[type[Exception], Callable[[Any], Reply]]]] = (
    (InvalidInput, _invalid),
    (NotFound, _not_found),
    (Conflict, _conflict),
    (ReadOnly, _read_only),
    (Impossible, _impossible),
    (Unauthenticated, _plain(StatusCode.UNAUTHENTICATED)),
    (Forbidden, _plain(StatusCode.PERMISSION_DENIED)),
    (TooManyTries, _too_many("TOO_MANY_TRIES")),
    (TooManyCalls, _too_many("TOO_MANY_CALLS")),
    (Unreadable, lambda error: Reply(StatusCode.INVALID_ARGUMENT, "UNREADABLE_MESSAGE", str(error))),
    (Unimplemented, _plain(StatusCode.UNIMPLEMENTED)),
    (InProgress, _in_progress),
    (TooLong, _too_long),
    (StoreUnavailable, _unavailable("the database is away or too busy; try again")),
    (Stopping, _unavailable("the engine is stopping")),
)
