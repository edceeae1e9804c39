"""Clients."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from common.error_codes import ErrorCode
from gateway.schemas.fields import (
    STORABLE,
    Input,
    Listed,
    ListOf,
    Nested,
    Output,
    Page,
    Text,
    error_arguments,
    error_code,
    moment,
    query_flag,
    text,
    whole,
)  # fmt: skip

TAG_CHARACTERS_MAX: Final = 64
_PHONE_CHARACTERS_MAX: Final = 100
_ZONE_CHARACTERS_MAX: Final = 100
"""Longer than any; what is as long as a body need not go to the engine."""
CODE_PATTERN: Final = ("^[0-9]{0,16}$", ErrorCode.NOT_DIGITS_OR_EMPTY.format(max=16))
_PHONE: Final = 'The phone number. "+7 (916) 123-45-67", "89161234567" and "9161234567" are understood as well.'


def _code(**options: Any) -> Text:
    return text("The operator's code; by default digits 2 to 4 of the number.", "916", pattern=CODE_PATTERN, **options)


def _tag(**options: Any) -> Text:
    return text("A free label; may be empty.", "new", most=TAG_CHARACTERS_MAX, pattern=STORABLE, **options)


def _zone(**options: Any) -> Text:
    description = "An IANA name; by default that of the engine's setting, UTC."
    return text(description, "Europe/Moscow", most=_ZONE_CHARACTERS_MAX, **options)


class ClientSchema(Output):
    """A client."""

    id = whole("Never used again, not even after a deletion.", 1, required=True)
    phone_number = text("7XXXXXXXXXX, unique.", "79161234567", required=True)
    phone_code = _code(required=True)
    tag = _tag(required=True)
    time_zone = _zone(required=True)
    create_time = moment("When it was added.", required=True)
    update_time = moment("When it was last changed.", required=True)


class ClientListSchema(Listed):
    """A page of clients."""

    clients = fields.List(Nested(ClientSchema), required=True)


class ClientCreateSchema(Input):
    """A new client."""

    phone_number = text(_PHONE, "79161234567", most=_PHONE_CHARACTERS_MAX, required=True)
    phone_code = _code()
    tag = _tag()
    time_zone = _zone()


class ClientReplaceSchema(ClientCreateSchema):
    """A client as it is to be: what is left out gets its default. A client as it was read may be sent back."""

    id = whole("Ignored.")
    create_time = moment("Ignored.")
    update_time = moment("Ignored.")


class ClientPatchSchema(Input):
    """Changes of a client: what is left out stays."""

    phone_number = text(_PHONE, "79161234567", most=_PHONE_CHARACTERS_MAX)
    phone_code = _code()
    tag = _tag()
    time_zone = _zone()


class ClientFilterSchema(Input):
    """Which clients; all that is given must hold."""

    tag = text("Only clients with exactly this tag; empty: those without one.")
    phone_code = text("Only clients with this operator code.")
    phone_number = text("Only the client with this number.")
    time_zone = text("Only clients in this time zone.")


class ClientExportQuerySchema(ClientFilterSchema):
    """Which clients, and how their file is written."""

    raw = query_flag("CSV without the apostrophes that keep table programs from running cells as formulas.")


class ClientListQuerySchema(Page, ClientFilterSchema):
    """Which page of which clients."""


class ImportErrorSchema(Output):
    """One thing that is wrong with one line of an import."""

    line = whole("The line, counted from 1; a header row is line 1.", 7, required=True)
    field = text("The column; empty: the line as a whole.", "phone_number", required=True)
    message = text("What is wrong.", "must not be empty", required=True)
    code = error_code()
    arguments = error_arguments()


class ImportResultSchema(Output):
    """What an import did."""

    created = whole("Rows that made a new client.", 2, required=True)
    updated = whole("Rows that changed a client.", 0, required=True)
    unchanged = whole("Rows whose client was so already.", 0, required=True)
    rejected = whole("Rows that were not stored.", 0, required=True)
    errors = ListOf(
        Nested(ImportErrorSchema),
        required=True,
        metadata={"description": "What is wrong with them; the first 1,000."},
    )
