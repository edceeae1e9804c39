from __future__ import annotations

import pytest

from common.error_codes import ErrorCode
from engine.domain.errors import Conflict, FieldError, InvalidInput, MailingError, NotFound, ReadOnly

FIELDS = [FieldError("text", ErrorCode.EMPTY.format()), FieldError("tag", ErrorCode.TOO_LONG.format(max=2, count=3))]
TAKEN = ErrorCode.PHONE_NUMBER_TAKEN.format(phone_number=79161234567)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidInput(FIELDS), "text: must not be empty; tag: must have at most 2 characters, not 3"),
        (NotFound("client", 7), "client 7 does not exist"),
        (Conflict(TAKEN, "phone_number"), "a client with the phone number 79161234567 exists already"),
        (ReadOnly(ErrorCode.READ_ONLY.format(id=7, state="ended")), "mailing 7 can't be changed any more: it is ended"),
    ],
)
def test_every_error_is_one_clear_line(error: MailingError, line: str) -> None:
    assert str(error) == line


def test_errors_carry_what_the_api_needs() -> None:
    invalid = InvalidInput(FIELDS)
    assert invalid.errors == tuple(FIELDS)
    assert (invalid.fault.code, invalid.fault.arguments) == ("INVALID_FIELDS", {"count": "2"})
    missing = NotFound("mailing", 3)
    assert (missing.kind, missing.id) == ("mailing", 3)
    assert (missing.fault.code, missing.fault.arguments) == ("NOT_FOUND", {"kind": "mailing", "id": "3"})
    conflict = Conflict(TAKEN, "phone_number")
    assert (conflict.fault, conflict.field) == (TAKEN, "phone_number")
    assert Conflict(TAKEN).field is None
