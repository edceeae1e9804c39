"""From an exception to what the caller is told: one table.

The details are those of google.rpc (AIP-193). ``ErrorInfo`` is always there, with the code of the error
(``common.error_codes``) and the values in its sentence; ``BadRequest`` names fields, each with its code, and our
``BadRequestArguments`` beside it has the values in their sentences. ``ResourceInfo`` names what does not exist,
``PreconditionFailure`` what is read-only, ``RetryInfo`` says when it may work. Field paths are those of the resource
(``filter.tags[3]``) or of the request (``page_token``), as they stand in the body or the query of the HTTP request.
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

from common.error_codes import ErrorCode, Fault
from engine.api.repeats import InProgress
from engine.domain.access import Forbidden, Impossible, TooManyCalls, TooManyTries, Unauthenticated
from engine.domain.errors import Conflict, FieldError, InvalidInput, MailingError, NotFound, ReadOnly
from engine.ports import StoreUnavailable
from engine.store.errors import TooLong
from mailing.v1 import error_pb2

ERROR_DOMAIN: Final = "mailing.v1"
RETRY_DELAY_SECONDS: Final = 1

# An error travels in the call's metadata, of which a gRPC client takes 8 KiB: with more it gets
# RESOURCE_EXHAUSTED in place of the error. Details grow by a third (base64), text up to three times
# (percent encoding): 4,500 * 4/3 + 600 * 3 = 7,800.
_VIOLATIONS_BYTES_MAX: Final = 4_300
_MESSAGE_CHARACTERS_MAX: Final = 500


class Stopping(Exception):
    """The engine stops: a long stream ends; the caller may ask another engine, or come back later."""


class Unreadable(MailingError):
    """What came is no message of the method's type."""


class Unimplemented(MailingError):
    """The contract has the method, and the servicer has not."""


class Reply(NamedTuple):
    """What the caller is told."""

    code: StatusCode
    fault: Fault
    """One line for people; its code and values for programs (``ErrorInfo``)."""
    details: tuple[Message, ...] = ()

    def status(self) -> Status:
        """The same as gRPC sends it, the details in the trailing metadata."""
        fault = self.fault
        info = error_details_pb2.ErrorInfo(reason=fault.code, domain=ERROR_DOMAIN, metadata=fault.arguments)
        details = [_packed(each) for each in (info, *self.details)]
        return rpc_status.to_status(status_pb2.Status(code=self.code.value[0], message=fault, details=details))


def reply_to(error: Exception) -> Reply | None:
    """Say what the caller is told of ``error``; ``None``: nothing, it is a bug of ours."""
    return next((build(error) for kind, build in _TABLE if isinstance(error, kind)), None)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def bug_reply(reference: str) -> Reply:
    """Say of a bug of ours only under which reference the log has it."""
    return Reply(StatusCode.INTERNAL, ErrorCode.INTERNAL.format(reference=reference))


def _bad_request(errors: Sequence[FieldError], more: int = 0) -> tuple[Message, Message]:
    """All bad fields, as far as they go into the metadata, and the values in their sentences; ``more``: how many
    there are besides."""
    detail, arguments = error_details_pb2.BadRequest(), error_pb2.BadRequestArguments()
    for error in errors:
        _add(detail, arguments, error)
        if detail.ByteSize() + arguments.ByteSize() > _VIOLATIONS_BYTES_MAX:
            break
    left = len(errors) - len(detail.field_violations) + more
    if left:
        _add(detail, arguments, FieldError("", ErrorCode.MORE_FIELDS.format(count=left)))
    return detail, arguments


def _add(detail: error_details_pb2.BadRequest, arguments: error_pb2.BadRequestArguments, error: FieldError) -> None:
    fault = error.fault
    detail.field_violations.add(field=error.field, description=fault, reason=fault.code)
    arguments.field_violations.add(values=fault.arguments)


def _invalid(error: InvalidInput) -> Reply:
    fault = error.fault
    if len(fault) > _MESSAGE_CHARACTERS_MAX:
        fault = fault.worded(fault[:_MESSAGE_CHARACTERS_MAX] + "…")
    return Reply(StatusCode.INVALID_ARGUMENT, fault, _bad_request(error.errors, error.more))


def _not_found(error: NotFound) -> Reply:
    detail = error_details_pb2.ResourceInfo(
        resource_type=error.kind, resource_name=str(error.id), description=error.fault
    )
    return Reply(StatusCode.NOT_FOUND, error.fault, (detail,))


def _conflict(error: Conflict) -> Reply:
    details = _bad_request([FieldError(error.field, error.fault)]) if error.field else ()
    # A request id that was used for something else is a mistake in this request, not a thing that exists.
    is_reused = error.field == "request_id"
    return Reply(StatusCode.INVALID_ARGUMENT if is_reused else StatusCode.ALREADY_EXISTS, error.fault, details)


def _precondition(error: MailingError) -> Reply:
    detail = error_details_pb2.PreconditionFailure()
    detail.violations.add(type=error.fault.code, description=error.fault)
    return Reply(StatusCode.FAILED_PRECONDITION, error.fault, (detail,))


def _retry(seconds: int = RETRY_DELAY_SECONDS) -> error_details_pb2.RetryInfo:
    return error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))


def _too_many(error: TooManyTries | TooManyCalls) -> Reply:
    retry = _retry(max(1, math.ceil(error.wait_seconds)))
    return Reply(StatusCode.RESOURCE_EXHAUSTED, error.fault, (retry,))


def _plain(code: StatusCode, *details: Message) -> Callable[[MailingError], Reply]:
    return lambda error: Reply(code, error.fault, details)


def _later(code: StatusCode, why: ErrorCode) -> Callable[[Exception], Reply]:
    # The database's own words may name hosts and files: those are for the log.
    return lambda _: Reply(code, why.format(), (_retry(),))


_TABLE: Final[Sequence[tuple[type[Exception], Callable[[Any], Reply]]]] = (
    (InvalidInput, _invalid),
    (NotFound, _not_found),
    (Conflict, _conflict),
    (ReadOnly, _precondition),
    (Impossible, _precondition),
    (Unauthenticated, _plain(StatusCode.UNAUTHENTICATED)),
    (Forbidden, _plain(StatusCode.PERMISSION_DENIED)),
    (TooManyTries, _too_many),
    (TooManyCalls, _too_many),
    (Unreadable, _plain(StatusCode.INVALID_ARGUMENT)),
    (Unimplemented, _plain(StatusCode.UNIMPLEMENTED)),
    (InProgress, _later(StatusCode.ABORTED, ErrorCode.REQUEST_IN_PROGRESS)),
    (TooLong, _plain(StatusCode.RESOURCE_EXHAUSTED, _retry())),
    (StoreUnavailable, _later(StatusCode.UNAVAILABLE, ErrorCode.DATABASE_AWAY)),
    (Stopping, _later(StatusCode.UNAVAILABLE, ErrorCode.ENGINE_STOPPING)),
)
