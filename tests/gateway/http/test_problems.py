"""gateway/http/problems.py: one table from gRPC statuses to HTTP, pointers, and no word of the inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from common.error_codes import ErrorCode, Fault
from gateway.http.problems import Problem, of_rpc, pointer_of

INFO = error_details_pb2.ErrorInfo(reason="X", domain="mailing.v1")


def failed(code: StatusCode, text: str = "words", details: Sequence[Any] = (INFO,)) -> aio.AioRpcError:
    """What a stub raises."""
    packed = []
    for each in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(each)
    status = status_pb2.Status(code=code.value[0], message=text, details=packed)
    trailing = aio.Metadata(("grpc-status-details-bin", status.SerializeToString())) if details else aio.Metadata()
    return aio.AioRpcError(code, aio.Metadata(), trailing, text)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (StatusCode.INVALID_ARGUMENT, 422),
        (StatusCode.OUT_OF_RANGE, 422),
        (StatusCode.UNAUTHENTICATED, 401),
        (StatusCode.PERMISSION_DENIED, 403),
        (StatusCode.NOT_FOUND, 404),
        (StatusCode.ALREADY_EXISTS, 409),
        (StatusCode.FAILED_PRECONDITION, 409),
        (StatusCode.ABORTED, 409),
        (StatusCode.RESOURCE_EXHAUSTED, 429),
        (StatusCode.UNIMPLEMENTED, 501),
        (StatusCode.UNAVAILABLE, 503),
        (StatusCode.CANCELLED, 503),
        (StatusCode.DEADLINE_EXCEEDED, 504),
        (StatusCode.INTERNAL, 500),
        (StatusCode.UNKNOWN, 500),
        (StatusCode.DATA_LOSS, 500),
    ],
)
def test_the_table(code: StatusCode, status: int) -> None:
    problem = of_rpc(failed(code))
    assert problem.status == status
    later = code in (
        StatusCode.ABORTED, StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE, StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
    )  # fmt: skip
    assert ("Retry-After" in problem.headers) is later
    assert ("WWW-Authenticate" in problem.headers) is (status == 401)


def test_bad_fields_become_pointers() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="filter.tags[3]", description="must not be empty", reason="EMPTY")
    bad.field_violations.add(field="request_id", description="was used for something else")
    problem = of_rpc(failed(StatusCode.INVALID_ARGUMENT, "2 fields are bad", [INFO, bad]))
    assert problem.errors == [
        ("/filter/tags/3", "must not be empty"),
        ("/Idempotency-Key", "was used for something else"),
    ]
    assert problem.detail == "2 fields are bad"


def test_a_request_id_is_called_what_rest_calls_it() -> None:
    text = "this request id was used for another request before"
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="request_id", description=text)
    problem = of_rpc(failed(StatusCode.INVALID_ARGUMENT, text, [INFO, bad]))
    wanted = "this Idempotency-Key was used for another request before"
    assert (problem.detail, problem.errors) == (wanted, [("/Idempotency-Key", wanted)])


@pytest.mark.parametrize(
    ("field", "pointer"), [("", ""), ("tag", "/tag"), ("a.b[0][1].c", "/a/b/0/1/c"), ("x/y~z", "/x~1y~0z")]
)
def test_pointers_are_those_of_rfc_6901(field: str, pointer: str) -> None:
    assert pointer_of(field) == pointer


def test_retry_after_is_what_the_engine_says_rounded_up() -> None:
    delay = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=3, nanos=1))
    assert of_rpc(failed(StatusCode.RESOURCE_EXHAUSTED, "wait", [INFO, delay])).headers == {"Retry-After": "4"}
    none = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration())
    assert of_rpc(failed(StatusCode.ABORTED, "wait", [INFO, none])).headers == {"Retry-After": "1"}


def test_words_of_grpc_itself_stay_inside() -> None:
    text = "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:10.0.0.7:50051: refused"
    assert of_rpc(failed(StatusCode.UNAVAILABLE, text, [])).detail == "the engine is away; try again"
    assert of_rpc(failed(StatusCode.UNAVAILABLE, "the engine is stopping")).detail == "the engine is stopping"
    for code in (StatusCode.UNKNOWN, StatusCode.INTERNAL):
        assert "Traceback" not in of_rpc(failed(code, "Traceback: KeyError('x')", [])).detail
    known = "internal error, reference 0123456789ab"
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", metadata={"reference": "0123456789ab"})
    bug = of_rpc(failed(StatusCode.INTERNAL, known, [info])).detail
    assert (bug, bug.code, bug.arguments) == (known, "INTERNAL", {"reference": "0123456789ab"})


def test_too_large_is_said_of_the_request_only() -> None:
    sent = "SERVER: Received message larger than max (9 vs. 8)"
    assert of_rpc(failed(StatusCode.RESOURCE_EXHAUSTED, sent, [])).status == 413
    asked = "CLIENT: Received message larger than max (9 vs. 8)"
    assert of_rpc(failed(StatusCode.RESOURCE_EXHAUSTED, asked, [])).status == 500


def test_a_problem_is_rfc_9457() -> None:
    bad = [("/a", ErrorCode.TOO_SMALL.format(min=1))]
    response = Problem(422, Fault("bad"), bad, {"Retry-After": "1"}, {"more": 1}).response("/api/v1/x")
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "1"
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body) == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "bad",
        "instance": "/api/v1/x",
        "code": "",
        "arguments": {},
        "errors": [{"pointer": "/a", "message": "must be at least 1", "code": "TOO_SMALL", "arguments": {"min": "1"}}],
        "more": 1,
    }
