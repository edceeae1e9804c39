"""What schemathesis can't read from our document; it loads this module by the name in ``SCHEMATHESIS_HOOKS``."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st

from gateway.tables.workbook import WORKBOOK_TYPE
from tests.gateway.tables.workbooks import workbook

OWN_TOKEN_ID: Final = 1
"""The campaign's own token: the first of a new database."""
BEYOND_SCHEMAS: Final = frozenset(
    {
        "/Idempotency-Key",  # what it was used for before
        "/page_token",  # which list it belongs to
        "/start_time",  # which of two times is the later one, and what time it is now
        "/end_time",
        "/expire_time",
        "/local_hours",  # two times that must differ
        "/on_uncertain",  # what the mailing has: it can't be changed
        "/phone_number",  # 11 digits, written in the many ways that people write them
        "/time_zone",  # the names of the time zone database
        "/attributes",  # which names there may be: of an empty one the pointer ends here
        "/filter/messages/mailing_id",  # which mailings there are
        "/budget",  # how many decimals it has: multipleOf is refused or taken by how a validator divides
        "/provider",  # which providers there are
        "/sender",  # which names one of them allows
        "/text",  # how many SMS it takes (MAILING_SEGMENTS_MAX)
    }
)
"""Fields of good input that may be refused, since no schema can state their rule."""
BEYOND_SCHEMAS_OF: Final = {
    "/api/v1/accounts": frozenset({"/role"}),  # one of all roles is no person's
    "/api/v1/audit": frozenset({"/actor_kind"}),  # needed beside actor_id
    "/api/v1/mailings/test": frozenset(f"/phone_numbers/{place}" for place in range(5)),  # as /phone_number
    "/api/v1/clients/import": frozenset({"/map"}),  # which columns there are
    "/api/v1/receipts": frozenset({"/id", "/0/id", "/provider_message_id", "/0/provider_message_id"}),  # one of the two
    "/api/v1/report": frozenset({"/date"}),  # which days there are
    "/api/v1/report/mail": frozenset({"/date"}),
    "/api/v1/tokens": frozenset({"/name"}),  # which of all characters can be printed
    "/api/v1/webhooks": frozenset({"/url"}),  # whether it is an address that the engine may call
    "/api/v1/webhooks/{webhook_id}": frozenset({"/url"}),
    "/api/v1/mailings/{mailing_id}": frozenset({"/local_hours/from", "/local_hours/to"}),  # one alone changes the one
    # that the mailing has, if it has any (RFC 7396)
}
"""The same, of one path; an entry of a list is called 0."""
OVERLAPPING: Final = frozenset({"/api/v1/suppressions/export", "/api/v1/suppressions/import"})
"""Paths that are also an entry's of the list: what may be done with an entry is allowed there too."""
NAMES_BEYOND_SCHEMAS: Final = ("/attributes/", "/filter/attributes/")
"""What OpenAPI 3.0 can't say of keys, and how many values a condition's comparison takes."""
_TABLES: Final = ("text/csv", "application/x-ndjson", WORKBOOK_TYPE)
_HEADER: Final = ("phone_number", "phone_code", "tag", "time_zone")
_PLACE: Final = re.compile(r"^/[0-9]+/")
_NOBODYS_ID: Final = 2**62
_KEY: Final = "Idempotency-Key"
_KEY_LENGTH: Final = 100  # with what is added it stays below the limit of 128

_NOT_IN_XML: Final = dict.fromkeys((0xFFFE, 0xFFFF))

_calls = itertools.count(1)
_words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=70)  # the others make a file binary
_phones = st.one_of(st.integers(70_000_000_000, 79_999_999_999).map(str), _words)
_codes = st.one_of(st.sampled_from(["", "916", "900"]), _words)
_zones = st.sampled_from(["", "UTC", "Europe/Moscow", "Asia/Omsk", "Nowhere/Land"])
_row = st.tuples(_phones, _codes, _words, _zones)


def _csv(rows: list[tuple[str, str, str, str]]) -> bytes:
    lines = [",".join('"' + value.replace('"', '""') + '"' for value in row) for row in rows]
    return _bytes("\n".join([",".join(_HEADER), *lines]))


def _ndjson(rows: list[tuple[str, str, str, str]]) -> bytes:
    return _bytes("\n".join(json.dumps(dict(zip(_HEADER, row, strict=True))) for row in rows))


def _workbook(rows: list[tuple[str, str, str, str]]) -> bytes:
    in_xml = [[value.translate(_NOT_IN_XML) for value in row] for row in rows]
    return workbook(("Sheet1", [_HEADER, *in_xml]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


schemathesis.openapi.media_type("text/csv", st.lists(_row, max_size=20).map(_csv))
schemathesis.openapi.media_type("application/x-ndjson", st.lists(_row, max_size=20).map(_ndjson))
schemathesis.openapi.media_type(WORKBOOK_TYPE, st.lists(_row, max_size=20).map(_workbook))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """The examples of an import are texts; schemathesis takes only bytes beside strategies of our own."""
    for operations in raw_schema["paths"].values():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for media_type in _TABLES:
            content.get(media_type, {}).pop("example", None)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Good input may be refused only for what no schema can say, and nothing else may be wrong with it."""
    if failure.code == "ST205" and case.operation.path in OVERLAPPING:
        return False
    if failure.code != "ST202" or response.status_code != 422:
        return True
    # After a hundred of them one says how many more there are, and of which nothing is known.
    errors = [error for error in response.json()["errors"] if error["code"] != "MORE_FIELDS"]
    pointers = {_PLACE.sub("/0/", error["pointer"]) for error in errors}
    known = BEYOND_SCHEMAS | BEYOND_SCHEMAS_OF.get(case.operation.path, frozenset())
    return not pointers or any(each not in known and not each.startswith(NAMES_BEYOND_SCHEMAS) for each in pointers)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Keep the campaign going: it would revoke its own token, and use the document's one example of a key for all."""
    _spare_the_token(case)
    key = (case.headers or {}).get(_KEY)
    if isinstance(key, str) and 0 < len(key) <= _KEY_LENGTH:
        case.headers[_KEY] = f"{key}-{next(_calls)}"  # with the key of before: the answer of before, of what is deleted


def _spare_the_token(case: Any) -> None:
    path = case.operation.path
    if path.endswith("/tokens/{token_id}/revoke") and str(case.path_parameters.get("token_id")) == str(OWN_TOKEN_ID):
        case.path_parameters["token_id"] = _NOBODYS_ID
