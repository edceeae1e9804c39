from __future__ import annotations

import pytest

from engine.domain.errors import Conflict, FieldError, InvalidInput, MailingError, NotFound, ReadOnly


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidInput([FieldError("text", "is empty"), FieldError("tag", "is long")]), "text: is empty; tag: is long"),
        (NotFound("client", 7), "client 7 does not exist"),
        (Conflict("a client with this phone number exists", "phone_number"), "a client with this phone number exists"),
        (ReadOnly("the mailing has ended"), "the mailing has ended"),
    ],
)
def test_every_error_is_one_clear_line(error: MailingError, line: str) -> None:
    assert str(error) == line


def test_errors_carry_what_the_api_needs() -> None:
    fields = [FieldError("text", "is empty"), FieldError("tag", "is long")]
    assert InvalidInput(fields).errors == tuple(fields)
    missing = NotFound("mailing", 3)
    assert (missing.kind, missing.id) == ("mailing", 3)
    conflict = Conflict("exists", "phone_number")
    assert (conflict.message, conflict.field) == ("exists", "phone_number")
    assert Conflict("exists").field is None
    assert ReadOnly("ended").message == "ended"
