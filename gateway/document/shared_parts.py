"""What all operations of the document share: security, headers, and the responses that are errors."""

from __future__ import annotations

from typing import Any, Final

from common.contract.values import Json
from gateway.http.problems import CHALLENGE

PROBLEM_TYPE: Final = "application/problem+json"
TITLE: Final = "Mailing Service"
VERSION: Final = "1.0.0"

DESCRIPTION: Final = """\
Sends texts to the clients that match a filter, in time and once.

**Authorise** with the secret of an API token, or with the one that `POST /api/v1/session` returns. A *viewer* reads, an
*operator* also changes clients and mailings, an *admin* also steers the engine and manages accounts and tokens.

**Times** are RFC 3339: with an offset on input, in UTC with microseconds on output. **Ids** are 64-bit integers.

**Lists** come in pages: pass `next_page_token` as `page_token`, with the same filters, until it is empty.

**Errors** are `application/problem+json` (RFC 9457). A 422 names every bad field by its JSON pointer.

**Repeats** of a POST are safe with an `Idempotency-Key`: for 7 days the same key with the same body gets the first
answer again, and nothing is done twice.

Each answer has an `X-Request-Id` (yours, if you sent one), which is in the logs as well. With `X-Request-Timeout` a
call says how many seconds it is willing to wait.
"""

TAGS: Final = [
    {"name": "clients", "description": "The people who can receive texts."},
    {"name": "mailings", "description": "Texts for the clients that match a filter: register, follow, steer."},
    {"name": "messages", "description": "The fate of every text."},
    {"name": "engine", "description": "The process that sends: watch it, steer it."},
    {"name": "audit", "description": "Who changed what, when."},
    {"name": "session", "description": "Sign in, sign out, who am I."},
    {"name": "accounts", "description": "People who sign in."},
    {"name": "tokens", "description": "API tokens: keys for programs."},
    {"name": "service", "description": "Health and metrics, for the machines that watch it."},
]

BEARER: Final[list[dict[str, list[str]]]] = [{"bearer": []}]
SECURITY_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The secret of a session (`mls_…`) or of an API token (`mlt_…`).",
}

IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Makes a repeat safe: the same key with the same body gets the first answer again, for 7 days; "
    "with another body 422; while the first call still runs 409. A UUID is a good choice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "example": "5f0c3f1e-6a52-4d0c-9a53-0b1f6a2f9c11",
}

_RETRY_AFTER: Final = {
    "description": "Seconds to wait before the next try.",
    "schema": {"type": "string", "pattern": "^[0-9]+$"},
    "example": "1",
}
_WWW_AUTHENTICATE: Final = {
    "description": "The scheme that is wanted, and for what (RFC 6750, section 3).",
    "schema": {"type": "string", "enum": [CHALLENGE]},
    "example": CHALLENGE,
}

# Status: title, description, an example's detail.
ERRORS: Final[dict[int, tuple[str, str, str]]] = {
    400: ("Bad Request", "The body can't be read.", "the body is no JSON: unexpected character at byte 17"),
    401: ("Unauthorized", "No secret, or one that is not, or no longer, good.", "a valid bearer token is needed"),
    403: ("Forbidden", "The caller's role does not allow this.", "this needs the role operator"),
    404: ("Not Found", "There is no such thing.", "there is no client 5"),
    406: ("Not Acceptable", "None of the types that `Accept` names can be sent.", "text/csv or application/x-ndjson"),
    408: ("Request Timeout", "The header or the body came too slowly.", "the body did not come in time"),
    409: ("Conflict", "It does not go with the state of things.", "the phone number belongs to client 7"),
    413: ("Content Too Large", "The body is too large.", "the body has more than 1048576 bytes"),
    415: ("Unsupported Media Type", "The body is of a type that is not read here.", "application/json is read here"),
    422: ("Unprocessable Content", "Fields are bad; all of them are named.", "1 field is bad"),
    429: ("Too Many Requests", "Slow down.", "too many requests with this token"),
    431: (
        "Request Header Fields Too Large",
        "The request's line or a header is too long.",
        "the request's line or a header is longer than 16384 bytes",
    ),
    501: ("Not Implemented", "The engine does not know this call: it is older.", "the engine does not know this call"),
    503: (
        "Service Unavailable",
        "The engine is away, or there are too many connections; try again.",
        "the engine is away; try again",
    ),
    504: ("Gateway Timeout", "The engine did not answer in time.", "the engine did not answer in time"),
}
_WITH_RETRY: Final = frozenset({409, 429, 503, 504})


def problem_name(status: int) -> str:
    """The name of an error response among the document's components."""
    return f"Problem{status}"


def problem_response(status: int, schema: Any) -> Json:
    """An error response; ``schema`` is that of problem+json."""
    title, description, detail = ERRORS[status]
    example: Json = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "/api/v1/clients",
        "errors": [{"pointer": "/phone_number", "message": "must be 7XXXXXXXXXX"}] if status == 422 else [],
    }
    response: Json = {
        "description": description,
        "content": {PROBLEM_TYPE: {"schema": schema, "example": example}},
    }
    if status in _WITH_RETRY:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    elif status == 401:
        response["headers"] = {"WWW-Authenticate": _WWW_AUTHENTICATE}
    return response
