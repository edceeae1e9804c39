"""The shape of errors (RFC 9457), which are the gateway's own: gRPC has its own ones."""

from __future__ import annotations

from typing import Any

from marshmallow import fields
from marshmallow.validate import Range

from common.error_codes import ErrorCode
from gateway.shapes.fields import ListOf, Nested, Output, Text, Whole


def _code() -> Text:
    words = "Which error this is, for programs: one of the codes above."
    return Text(required=True, metadata={"description": words, "example": ErrorCode.EMPTY.name})


def _arguments() -> fields.Dict:
    words = "The values in the message, by their names in the list of codes above."
    metadata: dict[str, Any] = {"description": words, "example": {}}
    return fields.Dict(keys=fields.String(), values=fields.String(), required=True, metadata=metadata)


class FieldProblemSchema(Output):
    """One bad field."""

    pointer = Text(
        required=True,
        metadata={"description": "Where it is (RFC 6901): `/filter/tags/3`; a parameter of the query likewise."},
    )
    message = Text(required=True, metadata={"description": "What is wrong with it."})
    code = _code()
    arguments = _arguments()


class ProblemSchema(Output):
    """An error (RFC 9457)."""

    type = Text(
        required=True,
        metadata={"description": "The kind of error; `about:blank`: the status says it all.", "example": "about:blank"},
    )
    title = Text(required=True, metadata={"description": "The status in words."})
    status = Whole(
        required=True,
        validate=Range(min=400, max=599),
        metadata={"description": "The HTTP status.", "example": 422, "format": "int32"},
    )
    detail = Text(required=True, metadata={"description": "What went wrong."})
    instance = Text(required=True, metadata={"description": "The path that was asked for."})
    code = _code()
    arguments = _arguments()
    errors = ListOf(Nested(FieldProblemSchema), metadata={"description": "All fields that are bad."})
