"""What all operations of the document share: security, headers, and the responses that are errors."""

from __future__ import annotations

from typing import Any, Final

from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.http.problems import CHALLENGE, Problem, invalid

PROBLEM_TYPE: Final = "application/problem+json"
TITLE: Final = "Mailing Service"
VERSION: Final = "1.0.0"

_CODES: Final = "\n".join(f"| `{code.name}` | {code} |" for code in ErrorCode)
DESCRIPTION: Final = f"""\
Sends texts to the clients that match a filter, in time and once.

**Authorise** with the secret of an API token, or with the one that `POST /api/v1/session` returns. A *viewer* reads, an
*operator* also changes clients and mailings, an *admin* also steers the engine and manages accounts and tokens. A
*provider* hands in what people have answered, and nothing else.

**Times** are RFC 3339: with an offset on input, in UTC with microseconds on output. **Ids** are 64-bit integers.

**Lists** come in pages: pass `next_page_token` as `page_token`, with the same filters, until it is empty.

**Errors** are `application/problem+json` (RFC 9457). A 422 names every bad field by its JSON pointer.
Each message has a `code` for programs and, in `arguments`, the values that stand in it. Codes stay, messages
may be worded anew; later versions may have more codes.

<details><summary>All codes</summary>

| code | message |
|---|---|
{_CODES}

</details>

**Repeats** of a POST are safe with an `Idempotency-Key`: for 7 days the same key with the same body gets the first
answer again, and nothing is done twice.

Each answer has an `X-Request-Id` (yours, if you sent one), which is in the logs as well. With `X-Request-Timeout` a
call says how many seconds it is willing to wait.
"""

TAGS: Final = [
    {"name": "clients", "description": "The people who can receive texts."},
    {"name": "mailings", "description": "Texts for the clients that match a filter: register, follow, steer."},
    {"name": "messages", "description": "The fate of every text."},
    {"name": "suppressions", "description": "The stop list: numbers that get no text, whatever matches."},
    {"name": "inbound", "description": "What providers hand in: texts that people have sent us."},
    {"name": "receipts", "description": "What providers hand in: whether texts arrived."},
    {"name": "events", "description": "What has happened, for whoever was not there."},
    {"name": "webhooks", "description": "Addresses that are told of events, by calls that are signed."},
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
}
"""Without an example: Swagger UI would send it with each call, and the second call would do nothing, or be refused."""

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

# Status: description, an example of what is told.
ERRORS: Final[dict[int, tuple[str, Problem]]] = {
    each.status: (description, each)
    for description, each in (
        ("The body can't be read.", Problem(400, ErrorCode.BODY_EMPTY.format())),
        ("No secret, or one that is not, or no longer, good.", Problem(401, ErrorCode.UNAUTHENTICATED.format())),
        (
            "The caller's role does not allow this.",
            Problem(403, ErrorCode.PERMISSION_DENIED.format(required="operator", name="maria", role="viewer")),
        ),
        ("There is no such thing.", Problem(404, ErrorCode.NOT_FOUND.format(kind="client", id=5))),
        (
            "None of the types that `Accept` names can be sent.",
            Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices="text/csv or application/x-ndjson")),
        ),
        ("The header or the body came too slowly.", Problem(408, ErrorCode.BODY_LATE.format())),
        (
            "It does not go with the state of things.",
            Problem(409, ErrorCode.READ_ONLY.format(id=7, state="ended")),
        ),
        ("The body is too large.", Problem(413, ErrorCode.BODY_TOO_LARGE.format(max=1_048_576))),
        ("The body is of a type that is not read here.", Problem(415, ErrorCode.BODY_TYPE.format(type="text/html"))),
        ("Fields are bad; all of them are named.", invalid([("/phone_number", ErrorCode.PHONE_PREFIX.format())])),
        ("Slow down.", Problem(429, ErrorCode.TOO_MANY_REQUESTS.format(max=100))),
        ("The request's line or a header is too long.", Problem(431, ErrorCode.HEADER_TOO_LONG.format(max=16_384))),
        ("The engine does not know this call: it is older.", Problem(501, ErrorCode.ENGINE_VERSION.format())),
        (
            "The engine is away, or there are too many connections; try again.",
            Problem(503, ErrorCode.ENGINE_AWAY.format()),
        ),
        ("The engine did not answer in time.", Problem(504, ErrorCode.ENGINE_LATE.format())),
    )
}
_WITH_RETRY: Final = frozenset({409, 429, 503, 504})


def problem_name(status: int) -> str:
    """The name of an error response among the document's components."""
    return f"Problem{status}"


def problem_response(status: int, schema: Any) -> Json:
    """An error response; ``schema`` is that of problem+json."""
    description, problem = ERRORS[status]
    example = problem.body("/api/v1/clients")
    response: Json = {
        "description": description,
        "content": {PROBLEM_TYPE: {"schema": schema, "example": example}},
    }
    if status in _WITH_RETRY:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    elif status == 401:
        response["headers"] = {"WWW-Authenticate": _WWW_AUTHENTICATE}
    return response
