"""What can go wrong, as one clear line a fault and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

EXIT_SERVICE = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130

_STATUS_KEY = "grpc-status-details-bin"  # where google.rpc.Status travels, see grpcio-status


class Failure(Exception):
    """The command ends here: print the lines, exit with the code."""

    def __init__(self, *lines: str, code: int = EXIT_SERVICE) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.code = code


class UsageFailure(Failure):
    """The command was not written as it must be."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines, code=EXIT_USAGE)


def failure_of(error: grpc.aio.AioRpcError, target: str) -> Failure:
    """Tell what an RPC that failed means to the person at the terminal."""
    code, text = error.code(), (error.details() or "").strip()
    if code is grpc.StatusCode.UNAVAILABLE:
        return Failure(_unreachable(text, target), code=EXIT_UNREACHABLE)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure(f"the engine at {target} did not answer in time", code=EXIT_UNREACHABLE)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure(f"what answers at {target} is not an engine of this version ({text})")
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Failure(f"not signed in: {text or 'a token is needed'} (--token or MAILING_API_TOKEN)")
    return Failure(*(bad_fields(error) or [text or code.name.lower().replace("_", " ")]))


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The code of what is wrong, for programs; empty: it is not the engine that speaks."""
    for detail in _details(error):
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def bad_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """One line a field from google.rpc.BadRequest and PreconditionFailure details; empty when there are none."""
    lines: list[str] = []
    for detail in _details(error):
        bad_request, precondition = error_details_pb2.BadRequest(), error_details_pb2.PreconditionFailure()
        if detail.Unpack(bad_request):
            lines += [_field_line(violation.field, violation.description) for violation in bad_request.field_violations]
        elif detail.Unpack(precondition):
            lines += [violation.description for violation in precondition.violations if violation.description]
    return lines


def _details(error: grpc.aio.AioRpcError) -> Sequence[status_pb2.any__pb2.Any]:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_KEY:
            status = status_pb2.Status.FromString(cast("bytes", value))
            return cast("Sequence[status_pb2.any__pb2.Any]", status.details)
    return ()


def _field_line(field: str, description: str) -> str:
    return f"{field}: {description}" if field else description


def _unreachable(text: str, target: str) -> str:
    """gRPC's own words for "nobody listens" are long and hard to read; the engine's own are kept."""
    lower = text.lower()
    if "handshake failed" in lower:
        return f"no TLS connection to {target}: {_tls_reason(text)} (--tls-ca, --tls-cert, --tls-key)"
    if "failed to connect" in lower and ("socket closed" in lower or "reset by peer" in lower):
        return (
            f"{target} closes the connection: does the engine use TLS (--tls-ca), "
            "or want another certificate (--tls-cert, --tls-key)?"
        )
    if "failed to connect" in lower or "connection refused" in lower:
        return (
            f"nothing answers at {target}: is the engine running? (python -m engine; --target or MAILING_ENGINE_TARGET)"
        )
    if any(word in lower for word in ("dns", "name resolution", "errors resolving")):
        return f"the name in {target} is not known"
    return f"the engine at {target} is away: {text}" if text else f"the engine at {target} is away"


def _tls_reason(text: str) -> str:
    """`…OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate: OK` in words."""
    if "WRONG_VERSION_NUMBER" in text:
        return "what listens there does not use TLS"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("CERTIFICATE_VERIFY_FAILED")[2].strip(": ").removesuffix(": OK")
        return f"its certificate is not trusted: {why}" if why else "its certificate is not trusted"
    return text
